//! Which edges serve which bags, and in which order a client should try them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;
use shared::ids::{BagId, ObjectId};

/// What the indexer is asked for the edges.
pub const EDGES_QUERY: &str = "query Edges {
  distributionBuckets(where: {distributing_eq: true}) {
    bags { bag { id } }
    operators { status metadata { nodeEndpoint nodeLocation { coordinates { latitude longitude } } } }
  }
}";

/// URLs given for an object when the client does not say how many it wants.
const URLS_MAX: usize = 50;

/// Mean radius of the earth.
const EARTH_RADIUS_KM: f64 = 6371.0;

/// A place on earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Coordinates {
    /// North is positive.
    pub latitude: f64,
    /// East is positive.
    pub longitude: f64,
}

impl Coordinates {
    /// From the header `x-client-loc: <latitude>, <longitude>`. `None` if it is not that.
    pub fn parse(text: &str) -> Option<Self> {
        let (latitude, longitude) = text.split_once(',')?;
        let parse = |text: &str, limit: f64| {
            text.trim()
                .parse()
                .ok()
                .filter(|degrees: &f64| degrees.abs() <= limit)
        };
        Some(Self {
            latitude: parse(latitude, 90.0)?,
            longitude: parse(longitude, 180.0)?,
        })
    }

    /// The way along the surface (haversine).
    pub fn distance_km(self, other: Self) -> f64 {
        let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let across = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let h = half_sine(other.latitude - self.latitude)
            + across * half_sine(other.longitude - self.longitude);
        2.0 * EARTH_RADIUS_KM * h.sqrt().min(1.0).asin()
    }
}

/// What a client said about itself in its request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// Where it is.
    pub location: Option<Coordinates>,
    /// How many URLs it wants.
    pub limit: Option<usize>,
}

/// An edge.
#[derive(Debug, PartialEq)]
struct Edge {
    endpoint: String,
    location: Option<Coordinates>,
}

/// The edges of each bag, as of the last reading.
#[derive(Default)]
pub struct Edges {
    by_bag: RwLock<Arc<HashMap<BagId, Vec<Arc<Edge>>>>>,
}

impl Edges {
    /// Take over what the indexer says (the `data` of [`EDGES_QUERY`]).
    pub fn update(&self, data: Value) -> Result<(), serde_json::Error> {
        let answer: Answer = serde_json::from_value(data)?;
        let mut by_bag: HashMap<BagId, Vec<Arc<Edge>>> = HashMap::new();
        for bucket in answer.buckets {
            let edges: Vec<Arc<Edge>> = bucket
                .operators
                .into_iter()
                .filter_map(edge)
                .map(Arc::new)
                .collect();
            for id in bucket
                .bags
                .iter()
                .filter_map(|link| link.bag.id.parse().ok())
            {
                by_bag.entry(id).or_default().extend(edges.iter().cloned());
            }
        }
        for edges in by_bag.values_mut() {
            edges.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
            edges.dedup_by(|a, b| a.endpoint == b.endpoint);
        }
        *self.by_bag.write() = Arc::new(by_bag);
        Ok(())
    }

    /// Bags that have an edge.
    pub fn bags(&self) -> usize {
        self.by_bag.read().len()
    }

    /// Where an object can be fetched: nearest first if it is known who is where (edges without a
    /// place last), else always the same order for the same object, another for the next one, so
    /// that edges share the load and keep what they have fetched.
    pub fn urls(&self, bag: BagId, object: ObjectId, wish: Wish) -> Vec<String> {
        let by_bag = self.by_bag.read().clone();
        let Some(edges) = by_bag.get(&bag).filter(|edges| !edges.is_empty()) else {
            return vec![];
        };
        let first = (object.0 % edges.len() as u64) as usize;
        let mut ordered: Vec<&Edge> = edges[first..]
            .iter()
            .chain(&edges[..first])
            .map(|edge| &**edge)
            .collect();
        if let Some(client) = wish.location {
            let distance = |edge: &Edge| {
                edge.location
                    .map_or(f64::INFINITY, |location| location.distance_km(client))
            };
            ordered.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        }
        let limit = wish.limit.unwrap_or(URLS_MAX).min(URLS_MAX);
        let url = |edge: &&Edge| format!("{}/api/v1/assets/{object}", edge.endpoint);
        ordered.iter().take(limit).map(url).collect()
    }
}

/// The edge of an operator that is active and says where it can be reached.
fn edge(operator: Operator) -> Option<Edge> {
    let metadata = operator.metadata.filter(|_| operator.status == "ACTIVE")?;
    let endpoint = metadata.endpoint?.trim().trim_end_matches('/').to_owned();
    let is_http = endpoint.starts_with("http://") || endpoint.starts_with("https://");
    is_http.then(|| Edge {
        endpoint,
        location: metadata.location.and_then(|location| location.coordinates),
    })
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "distributionBuckets")]
    buckets: Vec<Bucket>,
}
#[derive(Deserialize)]
struct Bucket {
    bags: Vec<BagLink>,
    operators: Vec<Operator>,
}
#[derive(Deserialize)]
struct BagLink {
    bag: Bag,
}
#[derive(Deserialize)]
struct Bag {
    id: String,
}
#[derive(Deserialize)]
struct Operator {
    status: String,
    metadata: Option<Metadata>,
}
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "nodeEndpoint")]
    endpoint: Option<String>,
    #[serde(rename = "nodeLocation")]
    location: Option<Location>,
}
#[derive(Deserialize)]
struct Location {
    coordinates: Option<Coordinates>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operator(status: &str, endpoint: Value, place: Option<(f64, f64)>) -> Value {
        let coordinates = place
            .map(|(latitude, longitude)| json!({"latitude": latitude, "longitude": longitude}));
        let location = coordinates.map(|coordinates| json!({ "coordinates": coordinates }));
        json!({"status": status, "metadata": {"nodeEndpoint": endpoint, "nodeLocation": location}})
    }

    fn edges() -> Edges {
        let edges = Edges::default();
        let bags = |ids: &[&str]| {
            ids.iter()
                .map(|id| json!({"bag": {"id": id}}))
                .collect::<Vec<_>>()
        };
        edges
            .update(json!({"distributionBuckets": [
                {"bags": bags(&["dynamic:channel:1", "dynamic:channel:2"]), "operators": [
                    operator("ACTIVE", json!("https://berlin.example/"), Some((52.5, 13.4))),
                    operator("INVITED", json!("https://invited.example"), None),
                    operator("ACTIVE", Value::Null, None),
                    operator("ACTIVE", json!("ftp://elsewhere"), None),
                    json!({"status": "ACTIVE", "metadata": null}),
                ]},
                {"bags": bags(&["dynamic:channel:1", "not a bag"]), "operators": [
                    operator("ACTIVE", json!("https://nowhere.example"), None),
                    operator("ACTIVE", json!("https://sydney.example"), Some((-33.9, 151.2))),
                ]},
            ]}))
            .unwrap();
        edges
    }

    fn hosts(edges: &Edges, bag: &str, object: u64, wish: Wish) -> Vec<String> {
        let urls = edges.urls(bag.parse().unwrap(), ObjectId(object), wish);
        let suffix = format!(".example/api/v1/assets/{object}");
        urls.iter()
            .map(|url| {
                url.strip_prefix("https://")
                    .unwrap()
                    .strip_suffix(&suffix)
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn nearest_first_and_without_a_place_last() {
        let edges = edges();
        for (place, expected) in [
            ("48.2, 16.4", ["berlin", "sydney", "nowhere"]),
            ("-37.8,144.9", ["sydney", "berlin", "nowhere"]),
        ] {
            let wish = Wish {
                location: Coordinates::parse(place),
                limit: None,
            };
            assert_eq!(hosts(&edges, "dynamic:channel:1", 7, wish), expected);
            let two = Wish {
                limit: Some(2),
                ..wish
            };
            assert_eq!(hosts(&edges, "dynamic:channel:1", 7, two), expected[..2]);
        }
    }

    #[test]
    fn without_a_place_the_order_is_stable_and_differs_by_object() {
        let edges = edges();
        let of = |object| hosts(&edges, "dynamic:channel:1", object, Wish::default());
        assert_eq!(of(3), ["berlin", "nowhere", "sydney"]);
        assert_eq!(of(4), ["nowhere", "sydney", "berlin"]);
        assert_eq!(of(3), of(3));
        assert_eq!(
            hosts(&edges, "dynamic:channel:2", 9, Wish::default()),
            ["berlin"]
        );
        assert!(hosts(&edges, "dynamic:channel:9", 9, Wish::default()).is_empty());
        assert_eq!(edges.bags(), 2);
    }

    #[test]
    fn places_and_distances() {
        assert_eq!(Coordinates::parse("91, 0"), None);
        assert_eq!(Coordinates::parse("52.5"), None);
        assert_eq!(Coordinates::parse("NaN, 0"), None);
        let place = |latitude, longitude| Coordinates {
            latitude,
            longitude,
        };
        let berlin_sydney = place(52.5, 13.4).distance_km(place(-33.9, 151.2));
        assert!(
            (16_000.0..16_200.0).contains(&berlin_sydney),
            "{berlin_sydney}"
        );
        assert!(place(0.0, 179.9).distance_km(place(0.0, -179.9)) < 25.0);
        assert_eq!(place(1.0, 2.0).distance_km(place(1.0, 2.0)), 0.0);
    }

    #[test]
    fn an_unusable_answer_changes_nothing() {
        let edges = edges();
        assert!(edges.update(json!({"distributionBuckets": null})).is_err());
        assert_eq!(edges.bags(), 2);
    }
}
