//! An indexer that speaks real GraphQL over HTTP, with two videos of one channel.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, http::KeepAlive, web};
use async_graphql::{EmptyMutation, EmptySubscription, Enum, InputObject, Object, SimpleObject};

type Schema = async_graphql::Schema<Query, EmptyMutation, EmptySubscription>;

struct Query;

#[derive(SimpleObject)]
struct Video {
    id: String,
    title: String,
    channel: Channel,
    media: StorageDataObject,
}
#[derive(SimpleObject)]
struct Channel {
    id: String,
}
#[derive(SimpleObject)]
struct StorageDataObject {
    id: String,
    storage_bag: StorageBag,
}
#[derive(SimpleObject)]
struct StorageBag {
    id: String,
}
#[derive(SimpleObject)]
struct DistributionBucket {
    bags: Vec<BagLink>,
    operators: Vec<Operator>,
}
#[derive(SimpleObject)]
struct BagLink {
    bag: StorageBag,
}
#[derive(SimpleObject)]
struct Operator {
    status: Status,
    metadata: Option<Metadata>,
}
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
}
#[derive(SimpleObject)]
struct Metadata {
    node_endpoint: Option<String>,
    node_location: Option<Location>,
}
#[derive(SimpleObject)]
struct Location {
    coordinates: Option<Coordinates>,
}
#[derive(SimpleObject)]
struct Coordinates {
    latitude: f64,
    longitude: f64,
}
#[derive(InputObject)]
struct BucketWhere {
    #[graphql(name = "distributing_eq")]
    distributing_eq: Option<bool>,
}

fn video(id: u64) -> Video {
    let bag = StorageBag {
        id: "dynamic:channel:7".into(),
    };
    Video {
        id: id.to_string(),
        title: format!("Film {id}"),
        channel: Channel { id: "7".into() },
        media: StorageDataObject {
            id: (id + 100).to_string(),
            storage_bag: bag,
        },
    }
}

#[Object]
impl Query {
    async fn videos(&self) -> Vec<Video> {
        vec![video(1), video(2)]
    }
    async fn video_by_id(&self, id: String) -> Option<Video> {
        id.parse().ok().filter(|id| *id <= 2).map(video)
    }
    async fn channel_by_id(&self, id: String) -> Option<Channel> {
        (id == "7").then_some(Channel { id })
    }
    async fn broken(&self) -> async_graphql::Result<i32> {
        Err("the database is gone".into())
    }
    async fn distribution_buckets(&self, r#where: BucketWhere) -> Vec<DistributionBucket> {
        let operator = |endpoint: &str, latitude| Operator {
            status: Status::Active,
            metadata: Some(Metadata {
                node_endpoint: Some(endpoint.into()),
                node_location: Some(Location {
                    coordinates: Some(Coordinates {
                        latitude,
                        longitude: 0.0,
                    }),
                }),
            }),
        };
        let bags = vec![BagLink {
            bag: StorageBag {
                id: "dynamic:channel:7".into(),
            },
        }];
        let operators = vec![
            operator("http://north.example", 60.0),
            operator("http://south.example", -60.0),
        ];
        match r#where.distributing_eq {
            Some(true) => vec![DistributionBucket { bags, operators }],
            _ => vec![],
        }
    }
}

/// The indexer: counts what it is asked.
pub struct Indexer {
    /// Where it listens.
    pub address: SocketAddr,
    /// To stop it.
    pub server: ServerHandle,
    /// Requests it got.
    pub asked: Arc<AtomicUsize>,
}

/// Does it have blocks to tell of?
#[derive(Clone, Copy)]
struct HasBlocks(bool);

impl Indexer {
    pub fn start(address: SocketAddr) -> Self {
        Self::start_with(address, HasBlocks(true))
    }

    /// One that knows its schema and has not indexed a block: it answers as the real one does.
    pub fn start_without_blocks(address: SocketAddr) -> Self {
        Self::start_with(address, HasBlocks(false))
    }

    fn start_with(address: SocketAddr, has_blocks: HasBlocks) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let data = web::Data::from(asked.clone());
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::Data::new(schema.clone()))
                .app_data(web::Data::new(has_blocks))
                .route("/graphql", web::post().to(Self::answer))
        })
        .workers(1)
        // So that nothing is left to talk to once it is stopped.
        .keep_alive(KeepAlive::Disabled)
        .disable_signals()
        .shutdown_timeout(1)
        .bind(address)
        .unwrap();
        let address = server.addrs()[0];
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        Self {
            address,
            server: handle,
            asked,
        }
    }

    async fn answer(
        request: web::Json<async_graphql::Request>,
        schema: web::Data<Schema>,
        asked: web::Data<AtomicUsize>,
        has_blocks: web::Data<HasBlocks>,
    ) -> HttpResponse {
        asked.fetch_add(1, Ordering::SeqCst);
        if !has_blocks.0 && !request.query.contains("__schema") {
            let message = "no block has been indexed yet; ask again shortly";
            let errors = serde_json::json!([{ "message": message, "path": ["videos"] }]);
            let answer = serde_json::json!({ "data": null, "errors": errors });
            return HttpResponse::ServiceUnavailable().json(answer);
        }
        HttpResponse::Ok().json(schema.execute(request.into_inner()).await)
    }
}
