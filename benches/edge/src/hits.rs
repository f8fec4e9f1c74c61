//! Hits: how many, how fast, at what cost.

use anyhow::Result;

use crate::{
    Run,
    process::client_cpu_s,
    rig::{Rig, Which},
    table::Table,
    world::{FILM, LARGE, MIDDLE, SMALL, Thing},
    wrk::{self, Load},
};

struct Shape {
    name: &'static str,
    thing: Thing,
    connections: usize,
    range: Option<u64>,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "hits, 1 KiB, 32 connections",
        thing: SMALL,
        connections: 32,
        range: None,
    },
    Shape {
        name: "hits, 100 KiB, 16 connections",
        thing: MIDDLE,
        connections: 16,
        range: None,
    },
    Shape {
        name: "hits, 10 MiB, 4 connections",
        thing: LARGE,
        connections: 4,
        range: None,
    },
    Shape {
        name: "hits, 1 MiB ranges of 500 MiB, 8 connections",
        thing: FILM,
        connections: 8,
        range: Some(1 << 20),
    },
];

/// Measures all shapes.
pub async fn measure(rig: &mut Rig, run: &Run, table: &mut Table) -> Result<()> {
    let mut measured = rig.measured.clone();
    measured.push(Which::Colossus);
    for shape in SHAPES {
        for &which in &measured {
            rig.warm(which, shape.thing).await?;
        }
        for _ in 0..run.rounds {
            for &which in &measured {
                let load = Load {
                    url: format!(
                        "http://{}{}",
                        rig.address(which),
                        rig.hot(which, shape.thing)
                    ),
                    connections: shape.connections,
                    seconds: run.seconds,
                    ranges: shape.range.map(|span| (span, shape.thing.size)),
                };
                let server = rig.server(which)?;
                let (server_before, client_before) = (server.cpu_s(), client_cpu_s());
                let seen = wrk::run(rig.dir(), &load).await?;
                let used = server.cpu_s() - server_before;
                let total = used + client_cpu_s() - client_before;
                let mut add = |figure, value| table.add(shape.name, figure, which, value);
                if shape.thing.size < LARGE.size {
                    add("requests/s", seen.requests / seen.seconds);
                    add("CPU µs/request, server", used / seen.requests * 1e6);
                    add(
                        "CPU µs/request, server + client",
                        total / seen.requests * 1e6,
                    );
                } else {
                    add("MB/s", seen.bytes / seen.seconds / 1e6);
                    add("CPU s/GB, server", used / seen.bytes * 1e9);
                    add("CPU s/GB, server + client", total / seen.bytes * 1e9);
                }
                add("p50 ms", seen.p50_ms);
                add("p99 ms", seen.p99_ms);
            }
        }
    }
    Ok(())
}
