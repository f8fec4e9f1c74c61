//! What the network consists of: every part with its ports, its directory, its configuration file
//! and its arguments. Nothing is started here.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shared::ids::WorkerId;

use crate::{
    operators,
    ports::{PortError, Ports},
    process::{PartPlan, Readiness},
    state::Network,
};

/// Columns of a part's name in what is printed.
pub const NAME_WIDTH: usize = 12;
/// Program name of the chain.
pub const CHAIN: &str = "dev-chain";

/// Storage nodes, one per storage worker of the development genesis: HTTP, p2p and admin ports.
const COLOSSUS: [(WorkerId, [u16; 3]); 3] = [
    (WorkerId(1), [3333, 3336, 9333]),
    (WorkerId(2), [3433, 3436, 9433]),
    (WorkerId(3), [3533, 3536, 9533]),
];
/// Edges, one per distribution worker of the development genesis: HTTP and admin ports.
const ARGUS: [(WorkerId, [u16; 2]); 2] = [(WorkerId(1), [3334, 9334]), (WorkerId(2), [3434, 9434])];
const CHAIN_PORT: u16 = 9944;
const INDEXER: [u16; 2] = [8081, 9081];
const GATEWAY: [u16; 2] = [6116, 9116];
/// Room that an edge of a development network may take on the disk.
const EDGE_CACHE: &str = "2GiB";

/// All parts in the order in which they are started.
#[derive(Debug)]
pub struct NetworkPlan {
    /// The parts.
    pub parts: Vec<PartPlan>,
    /// Where they will answer.
    pub addresses: Network,
    /// Directory of their logs.
    pub logs: PathBuf,
}

/// Chooses ports, writes the configuration files below `dir`, and says how to start each part.
pub fn lay_out(dir: &Path, ports: &mut Ports, with_query: bool) -> Result<NetworkPlan> {
    let dir = fs::canonicalize(dir)?;
    let chain_port = ports.take("the chain", CHAIN_PORT)?;
    let mut plan = Planner {
        parts: vec![chain_plan(&dir, chain_port)],
        chain: format!("ws://127.0.0.1:{chain_port}"),
        dir,
    };
    let mut colossus = Vec::new();
    for (worker, preferred) in COLOSSUS {
        colossus.push(plan.colossus(worker, take(ports, "colossus", preferred)?)?);
    }
    let mut argus = Vec::new();
    for (worker, preferred) in ARGUS {
        argus.push(plan.argus(worker, take(ports, "argus", preferred)?)?);
    }
    let indexer_ports = take(ports, "indexer", INDEXER)?;
    let gateway_ports = take(ports, "gateway", GATEWAY)?;
    let indexer = format!("http://127.0.0.1:{}/graphql", indexer_ports[0]);
    let gateway = format!("http://127.0.0.1:{}/graphql", gateway_ports[0]);
    if with_query {
        plan.indexer(indexer_ports, &indexer)?;
        plan.gateway(gateway_ports, &gateway, &indexer)?;
    }
    Ok(NetworkPlan {
        parts: plan.parts,
        addresses: Network {
            pid: std::process::id(),
            chain: plan.chain,
            colossus,
            argus,
            indexer,
            gateway,
        },
        logs: plan.dir.join("logs"),
    })
}

fn take<const N: usize>(
    ports: &mut Ports,
    part: &str,
    preferred: [u16; N],
) -> Result<[u16; N], PortError> {
    let mut taken = preferred;
    for port in &mut taken {
        *port = ports.take(part, *port)?;
    }
    Ok(taken)
}

fn chain_plan(dir: &Path, port: u16) -> PartPlan {
    let data = dir.join("chain");
    PartPlan {
        name: "chain".to_owned(),
        program: CHAIN,
        args: [
            "serve".into(),
            "--data-dir".into(),
            data.into(),
            "--port".into(),
            port.to_string().into(),
        ]
        .to_vec(),
        readiness: Readiness::JsonRpc(format!("http://127.0.0.1:{port}")),
        url: format!("ws://127.0.0.1:{port}"),
        note: "JSON-RPC for subxt and polkadot.js".to_owned(),
    }
}

/// Gathers the parts that follow the chain.
struct Planner {
    parts: Vec<PartPlan>,
    chain: String,
    dir: PathBuf,
}

impl Planner {
    fn colossus(&mut self, worker: WorkerId, [http, p2p, admin]: [u16; 3]) -> Result<String> {
        let name = format!("colossus-{worker}");
        let config = json!({
            "worker": worker.to_string(),
            "data_dir": self.dir.join(&name),
            "chain": { "endpoints": [self.chain] },
            "keys": { "transactor_uri": operators::transactor_key(worker) },
            "http": { "listen": loopback(http) },
            "admin": { "listen": loopback(admin) },
            "p2p": { "listen": [format!("/ip4/127.0.0.1/tcp/{p2p}")] },
        });
        let url = root(http);
        self.node(
            &name,
            "colossus",
            &config,
            admin,
            url.clone(),
            "storage node",
        )?;
        Ok(url)
    }

    fn argus(&mut self, worker: WorkerId, [http, admin]: [u16; 2]) -> Result<String> {
        let name = format!("argus-{worker}");
        let config = json!({
            "worker": worker.to_string(),
            "data_dir": self.dir.join(&name),
            "chain": { "endpoints": [self.chain] },
            "http": { "listen": loopback(http) },
            "admin": { "listen": loopback(admin) },
            "cache": { "limit": EDGE_CACHE },
        });
        let url = root(http);
        self.node(
            &name,
            "argus",
            &config,
            admin,
            url.clone(),
            "edge: /api/v1/assets/<object>",
        )?;
        Ok(url)
    }

    fn indexer(&mut self, [http, admin]: [u16; 2], url: &str) -> Result<()> {
        let config = json!({
            "data_dir": self.dir.join("indexer"),
            "chain": { "endpoints": [self.chain] },
            "http": { "listen": loopback(http) },
            "admin": { "listen": loopback(admin) },
        });
        self.node(
            "indexer",
            "indexer",
            &config,
            admin,
            url.to_owned(),
            "query node, GraphiQL in a browser",
        )
    }

    fn gateway(&mut self, [http, admin]: [u16; 2], url: &str, indexer: &str) -> Result<()> {
        let config = json!({
            "data_dir": self.dir.join("gateway"),
            "indexer": { "url": indexer },
            "http": { "listen": loopback(http) },
            "admin": { "listen": loopback(admin) },
        });
        self.node(
            "gateway",
            "gateway",
            &config,
            admin,
            url.to_owned(),
            "apps ask here, GraphiQL in a browser",
        )
    }

    /// Writes the part's configuration and adds it to the plan.
    fn node(
        &mut self,
        name: &str,
        program: &'static str,
        config: &Value,
        admin: u16,
        url: String,
        note: &str,
    ) -> Result<()> {
        let folder = self.dir.join("config");
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, toml::to_string_pretty(config)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let args: [OsString; 3] = ["serve".into(), "--config".into(), file.into()];
        self.parts.push(PartPlan {
            name: name.to_owned(),
            program,
            args: args.to_vec(),
            readiness: Readiness::HttpOk(format!("{}readyz", root(admin))),
            url,
            note: note.to_owned(),
        });
        Ok(())
    }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn root(port: u16) -> String {
    format!("http://127.0.0.1:{port}/")
}

/// The table of URLs shown when all parts are up.
pub fn table(network: &NetworkPlan) -> String {
    let mut text = String::from("\n");
    for part in &network.parts {
        text.push_str(&format!(
            "  {:<NAME_WIDTH$} {:<34} {}\n",
            part.name, part.url, part.note
        ));
    }
    text.push_str(&format!("\n  logs         {}\n", network.logs.display()));
    text.push_str("\nPublish a video from another terminal: devnet publish <file>. Ctrl-C stops everything; state is kept.");
    text
}
