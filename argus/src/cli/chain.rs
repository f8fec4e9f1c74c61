//! `argus leader …` and `argus operator …`: transactions of the distribution group's lead and of its
//! operators. Names and arguments are those of the reference program.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, de::DeserializeOwned};
use shared::{
    chain::{
        Chain, Included,
        call::{Call, DistributionCall, DynamicBagType},
        event::{ChainEvent, StorageEvent},
        subxt::SubxtChain,
    },
    cli::{self, Settings},
    ids::{BagId, DistributionBucketId, DistributionFamilyId, WorkerId},
    metadata::{
        Continent, DistributionBucketFamilyMetadata, GeoCoordinates, GeographicalArea,
        NodeLocation, OperatorMetadata, geographical_area::Code,
    },
    supervise::Exit,
};

use crate::config::Config;

/// `leader …`
#[derive(Debug, Subcommand)]
pub enum LeaderCommand {
    /// Creates a bucket family; prints its id.
    CreateBucketFamily,
    /// Deletes a family without buckets.
    DeleteBucketFamily(Family),
    /// Says what a family is, from a JSON file: region, description, areas, latencyTestTargets.
    SetBucketFamilyMetadata {
        #[command(flatten)]
        family: Family,
        /// The JSON file.
        #[arg(long, short)]
        input: PathBuf,
    },
    /// Creates a bucket in a family; prints its id.
    CreateBucket {
        #[command(flatten)]
        family: Family,
        /// Whether new bags may be assigned to it.
        #[arg(long, short, alias = "acceptingBags", value_enum, default_value_t = YesNo::No)]
        accepting_bags: YesNo,
    },
    /// Deletes a bucket without bags and operators.
    DeleteBucket(Bucket),
    /// Says whether new bags may be assigned to a bucket.
    UpdateBucketStatus {
        #[command(flatten)]
        bucket: Bucket,
        /// Whether they may.
        #[arg(long, short, alias = "acceptingBags", alias = "accepting", value_enum)]
        accepting_bags: YesNo,
    },
    /// Switches a bucket's distribution on or off.
    UpdateBucketMode {
        #[command(flatten)]
        bucket: Bucket,
        /// On or off.
        #[arg(long, short = 'd', value_enum)]
        mode: OnOff,
    },
    /// Assigns buckets of a family to a bag, and takes them away.
    UpdateBag {
        /// The bag, as in dynamic:channel:1 or static:council.
        #[arg(long, short, alias = "bagId")]
        bag_id: BagId,
        #[command(flatten)]
        family: Family,
        /// Buckets that are to serve the bag: their numbers within the family.
        #[arg(long, short, num_args = 1.., value_delimiter = ',')]
        add: Vec<u64>,
        /// Buckets that are not.
        #[arg(long, short, num_args = 1.., value_delimiter = ',')]
        remove: Vec<u64>,
    },
    /// Limits the buckets of one bag.
    SetBucketsPerBagLimit {
        /// The limit.
        #[arg(long, short)]
        limit: u32,
    },
    /// Says how many buckets of which families new bags get.
    UpdateDynamicBagPolicy {
        /// Of which bags.
        #[arg(long = "type", short = 't', value_enum, ignore_case = true)]
        bag_type: BagType,
        /// Family and number of its buckets, as in 0:2; none clears the policy.
        #[arg(long, short, num_args = 1.., value_delimiter = ',')]
        policy: Vec<FamilyCount>,
    },
    /// Invites a worker to operate a bucket.
    InviteBucketOperator(BucketWorker),
    /// Takes an invitation back.
    CancelInvitation(BucketWorker),
    /// Removes an operator from a bucket.
    RemoveBucketOperator(BucketWorker),
}

/// `operator …`
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Accepts the lead's invitation.
    AcceptInvitation(BucketWorker),
    /// Says where the node is reached: an endpoint, or a JSON file with endpoint, location and extra.
    SetMetadata {
        #[command(flatten)]
        bucket: BucketWorker,
        /// HTTP root of the node, as viewers reach it.
        #[arg(
            long,
            short,
            required_unless_present = "input",
            conflicts_with = "input"
        )]
        endpoint: Option<String>,
        /// The JSON file.
        #[arg(long, short)]
        input: Option<PathBuf>,
    },
}

/// One family.
#[derive(Debug, Args)]
pub struct Family {
    /// The family.
    #[arg(long, short, alias = "familyId")]
    family_id: DistributionFamilyId,
}

/// One bucket.
#[derive(Debug, Args)]
pub struct Bucket {
    /// The bucket, as family:index.
    #[arg(long, short = 'B', alias = "bucketId")]
    bucket_id: DistributionBucketId,
}

/// One operator of one bucket.
#[derive(Debug, Args)]
pub struct BucketWorker {
    /// The bucket, as family:index.
    #[arg(long, short = 'B', alias = "bucketId")]
    bucket_id: DistributionBucketId,
    /// The worker of the distribution group.
    #[arg(long, short = 'w', alias = "workerId")]
    worker_id: WorkerId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BagType {
    Member,
    Channel,
}

/// So many buckets of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyCount(DistributionFamilyId, u32);

impl FromStr for FamilyCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':');
        let read =
            parts.and_then(|(family, count)| Some((family.parse().ok()?, count.parse().ok()?)));
        let (family, count) = read.ok_or("say family:count, as in 0:2")?;
        Ok(Self(family, count))
    }
}

impl LeaderCommand {
    /// Sends the transaction and says what came of it.
    pub fn run(self, config: &Config) -> Exit {
        told(self.call().and_then(|call| send(config, call)))
    }

    fn call(self) -> anyhow::Result<Call> {
        use DistributionCall as To;
        let call = match self {
            Self::CreateBucketFamily => To::CreateFamily,
            Self::DeleteBucketFamily(Family { family_id }) => {
                To::DeleteFamily { family: family_id }
            }
            Self::SetBucketFamilyMetadata { family, input } => {
                let metadata: FamilyFile = read_json(&input)?;
                return Ok(Call::SetDistributionFamilyMetadata {
                    family: family.family_id,
                    metadata: metadata.message()?.to_bytes(),
                });
            }
            Self::CreateBucket {
                family,
                accepting_bags,
            } => To::CreateBucket {
                family: family.family_id,
                accepting_new_bags: accepting_bags == YesNo::Yes,
            },
            Self::DeleteBucket(Bucket { bucket_id }) => To::DeleteBucket { bucket: bucket_id },
            Self::UpdateBucketStatus {
                bucket,
                accepting_bags,
            } => To::UpdateBucketStatus {
                bucket: bucket.bucket_id,
                accepting_new_bags: accepting_bags == YesNo::Yes,
            },
            Self::UpdateBucketMode { bucket, mode } => {
                return Ok(Call::UpdateDistributionBucketMode {
                    bucket: bucket.bucket_id,
                    distributing: mode == OnOff::On,
                });
            }
            Self::UpdateBag {
                bag_id,
                family,
                add,
                remove,
            } => {
                if add.is_empty() && remove.is_empty() {
                    bail!("there is nothing to change: give --add or --remove");
                }
                To::UpdateBucketsForBag {
                    bag: bag_id,
                    family: family.family_id,
                    add: add.into_iter().collect(),
                    remove: remove.into_iter().collect(),
                }
            }
            Self::SetBucketsPerBagLimit { limit } => To::UpdateBucketsPerBagLimit { limit },
            Self::UpdateDynamicBagPolicy { bag_type, policy } => To::UpdateDynamicBagPolicy {
                bag_type: match bag_type {
                    BagType::Member => DynamicBagType::Member,
                    BagType::Channel => DynamicBagType::Channel,
                },
                families: policy
                    .into_iter()
                    .map(|one| (one.0, one.1))
                    .collect::<BTreeMap<_, _>>(),
            },
            Self::InviteBucketOperator(one) => To::InviteOperator {
                bucket: one.bucket_id,
                worker: one.worker_id,
            },
            Self::CancelInvitation(one) => To::CancelInvitation {
                bucket: one.bucket_id,
                worker: one.worker_id,
            },
            Self::RemoveBucketOperator(one) => To::RemoveOperator {
                bucket: one.bucket_id,
                worker: one.worker_id,
            },
        };
        Ok(Call::Distribution(call))
    }
}

impl OperatorCommand {
    /// Sends the transaction and says what came of it.
    pub fn run(self, config: &Config) -> Exit {
        told(self.call().and_then(|call| send(config, call)))
    }

    fn call(self) -> anyhow::Result<Call> {
        match self {
            Self::AcceptInvitation(one) => {
                Ok(Call::Distribution(DistributionCall::AcceptInvitation {
                    bucket: one.bucket_id,
                    worker: one.worker_id,
                }))
            }
            Self::SetMetadata {
                bucket,
                endpoint,
                input,
            } => {
                let file = match input {
                    Some(input) => read_json(&input)?,
                    None => OperatorFile {
                        endpoint,
                        ..OperatorFile::default()
                    },
                };
                Ok(Call::SetDistributionOperatorMetadata {
                    worker: bucket.worker_id,
                    bucket: bucket.bucket_id,
                    metadata: file.message()?.to_bytes(),
                })
            }
        }
    }
}

/// What operators write about their nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct OperatorFile {
    endpoint: Option<String>,
    location: Option<LocationFile>,
    extra: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct LocationFile {
    country_code: Option<String>,
    city: Option<String>,
    coordinates: Option<CoordinatesFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CoordinatesFile {
    latitude: f32,
    longitude: f32,
}

impl OperatorFile {
    fn message(self) -> anyhow::Result<OperatorMetadata> {
        if let Some(endpoint) = &self.endpoint {
            let is_url = endpoint.starts_with("http://") || endpoint.starts_with("https://");
            if !is_url {
                bail!(
                    "'{endpoint}' is no endpoint: give an http or https URL, as in https://edge.example.com/"
                );
            }
        }
        let location = self.location.map(|location| NodeLocation {
            country_code: location.country_code,
            city: location.city,
            coordinates: location.coordinates.map(|at| GeoCoordinates {
                latitude: Some(at.latitude),
                longitude: Some(at.longitude),
            }),
        });
        Ok(OperatorMetadata {
            endpoint: self.endpoint,
            location,
            extra: self.extra,
        })
    }
}

/// What leads write about families.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct FamilyFile {
    region: Option<String>,
    description: Option<String>,
    areas: Vec<AreaFile>,
    latency_test_targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum AreaFile {
    Continent(String),
    CountryCode(String),
    SubdivisionCode(String),
}

impl AreaFile {
    fn code(self) -> anyhow::Result<Code> {
        Ok(match self {
            Self::CountryCode(code) => Code::CountryCode(code),
            Self::SubdivisionCode(code) => Code::SubdivisionCode(code),
            Self::Continent(letters) => Code::Continent(match letters.as_str() {
                "AF" => Continent::Af,
                "NA" => Continent::Na,
                "OC" => Continent::Oc,
                "AN" => Continent::An,
                "AS" => Continent::As,
                "EU" => Continent::Eu,
                "SA" => Continent::Sa,
                other => bail!("'{other}' is no continent: give AF, NA, OC, AN, AS, EU or SA"),
            } as i32),
        })
    }
}

impl FamilyFile {
    fn message(self) -> anyhow::Result<DistributionBucketFamilyMetadata> {
        let area = |area: AreaFile| {
            let code = Some(area.code()?);
            Ok(GeographicalArea { code })
        };
        Ok(DistributionBucketFamilyMetadata {
            region: self.region,
            description: self.description,
            areas: self
                .areas
                .into_iter()
                .map(area)
                .collect::<anyhow::Result<_>>()?,
            latency_test_targets: self.latency_test_targets,
        })
    }
}

fn read_json<T: DeserializeOwned>(path: &PathBuf) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not as it should be", path.display()))
}

/// Signs, sends, and waits until the transaction is final.
fn send(config: &Config, call: Call) -> anyhow::Result<String> {
    let signer = config.signer()?.context(
        "there is no key to sign with: give --account-uri, the environment variable ACCOUNT_URI, or keys.uri_file",
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let chain = SubxtChain::connect(config.chain.endpoints.clone())
            .await
            .context("the chain cannot be reached; give its address with --api-url")?;
        let included = chain
            .submit(&signer, call)
            .await
            .with_context(|| format!("the chain did not do it for {}", signer.account()))?;
        Ok(outcome(&included))
    })
}

/// What was created, and where it stands.
fn outcome(included: &Included) -> String {
    let created = included.events.iter().find_map(|event| match &event.event {
        ChainEvent::Storage(StorageEvent::FamilyCreated { family }) => {
            Some(format!("bucket family {family}, "))
        }
        ChainEvent::Storage(StorageEvent::DistributionBucketCreated { bucket, .. }) => {
            Some(format!("bucket {bucket}, "))
        }
        _ => None,
    });
    let created = created.unwrap_or_default();
    format!("{created}final in block {}", included.block.number)
}

fn told(result: anyhow::Result<String>) -> Exit {
    match result {
        Ok(text) => {
            println!("{text}");
            Exit::Stopped
        }
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;
    use shared::ids::ChannelId;

    use super::*;

    #[derive(Debug, Parser)]
    enum Line {
        #[command(subcommand)]
        Leader(LeaderCommand),
        #[command(subcommand)]
        Operator(OperatorCommand),
    }

    fn call(line: &str) -> anyhow::Result<Call> {
        let args = std::iter::once("argus").chain(line.split_whitespace());
        match Line::try_parse_from(args)? {
            Line::Leader(command) => command.call(),
            Line::Operator(command) => command.call(),
        }
    }

    #[test]
    fn each_command_is_the_chains_call() {
        let family = DistributionFamilyId(2);
        let bucket = DistributionBucketId { family, index: 3 };
        let worker = WorkerId(7);
        use DistributionCall as To;
        for (line, wanted) in [
            ("leader create-bucket-family", To::CreateFamily),
            (
                "leader delete-bucket-family -f 2",
                To::DeleteFamily { family },
            ),
            (
                "leader create-bucket --familyId 2 --acceptingBags yes",
                To::CreateBucket {
                    family,
                    accepting_new_bags: true,
                },
            ),
            ("leader delete-bucket -B 2:3", To::DeleteBucket { bucket }),
            (
                "leader update-bucket-status --bucketId 2:3 --accepting-bags no",
                To::UpdateBucketStatus {
                    bucket,
                    accepting_new_bags: false,
                },
            ),
            (
                "leader update-bag -b dynamic:channel:1 -f 2 --add 0 1 --remove 3,4",
                To::UpdateBucketsForBag {
                    bag: BagId::Channel(ChannelId(1)),
                    family,
                    add: BTreeSet::from([0, 1]),
                    remove: BTreeSet::from([3, 4]),
                },
            ),
            (
                "leader set-buckets-per-bag-limit -l 9",
                To::UpdateBucketsPerBagLimit { limit: 9 },
            ),
            (
                "leader update-dynamic-bag-policy -t Channel -p 2:5 4:1",
                To::UpdateDynamicBagPolicy {
                    bag_type: DynamicBagType::Channel,
                    families: BTreeMap::from([(family, 5), (DistributionFamilyId(4), 1)]),
                },
            ),
            (
                "leader invite-bucket-operator -B 2:3 -w 7",
                To::InviteOperator { bucket, worker },
            ),
            (
                "leader cancel-invitation -B 2:3 --workerId 7",
                To::CancelInvitation { bucket, worker },
            ),
            (
                "leader remove-bucket-operator -B 2:3 -w 7",
                To::RemoveOperator { bucket, worker },
            ),
            (
                "operator accept-invitation -B 2:3 -w 7",
                To::AcceptInvitation { bucket, worker },
            ),
        ] {
            assert_eq!(call(line).unwrap(), Call::Distribution(wanted), "{line}");
        }
        let mode = Call::UpdateDistributionBucketMode {
            bucket,
            distributing: true,
        };
        assert_eq!(
            call("leader update-bucket-mode -B 2:3 -d on").unwrap(),
            mode
        );
    }

    #[test]
    fn metadata_comes_from_an_endpoint_or_from_files() {
        let metadata = |line: &str| match call(line).unwrap() {
            Call::SetDistributionOperatorMetadata { metadata, .. } => {
                OperatorMetadata::from_event(&metadata).unwrap()
            }
            other => panic!("{other:?}"),
        };
        let line = "operator set-metadata -B 0:1 -w 7 -e https://edge.example.com/";
        assert_eq!(
            metadata(line).endpoint.unwrap(),
            "https://edge.example.com/"
        );

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metadata.json");
        let text = r#"{"endpoint":"http://e","location":{"countryCode":"DE","coordinates":{"latitude":52.5,"longitude":13.4}},"extra":"x"}"#;
        std::fs::write(&path, text).unwrap();
        let line = format!("operator set-metadata -B 0:1 -w 7 -i {}", path.display());
        let location = metadata(&line).location.unwrap();
        assert_eq!(location.country_code.unwrap(), "DE");
        assert_eq!(location.coordinates.unwrap().latitude, Some(52.5));

        let family = format!(
            "leader set-bucket-family-metadata -f 2 -i {}",
            path.display()
        );
        let error = format!("{:#}", call(&family).unwrap_err());
        assert!(
            error.contains("endpoint") && error.contains("metadata.json"),
            "{error}"
        );
        std::fs::write(&path, r#"{"region":"EU-west","areas":[{"continent":"EU"},{"countryCode":"GB"}],"latencyTestTargets":["192.0.2.1"]}"#).unwrap();
        let Call::SetDistributionFamilyMetadata { metadata, .. } = call(&family).unwrap() else {
            panic!("another call");
        };
        let read = DistributionBucketFamilyMetadata::from_event(&metadata).unwrap();
        assert_eq!(
            (read.region.as_deref(), read.areas.len()),
            (Some("EU-west"), 2)
        );
    }

    #[test]
    fn nonsense_is_named() {
        for (line, part) in [
            (
                "operator set-metadata -B 0:1 -w 7 -e edge.example.com",
                "edge.example.com",
            ),
            ("leader update-bag -b dynamic:channel:1 -f 2", "--add"),
            (
                "leader update-dynamic-bag-policy -t Channel -p 2",
                "family:count",
            ),
            ("leader delete-bucket -B 2", "2"),
            ("operator set-metadata -B 0:1 -w 7", "--endpoint"),
        ] {
            let error = format!("{:#}", call(line).unwrap_err());
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
