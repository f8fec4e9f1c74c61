//! What the gateway adds to the indexer's schema: fields of its types, mutations and their results.

use serde_json::{Value, json};

/// A field that the gateway adds to a type of the indexer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayField {
    /// `Video.viewsNum`
    VideoViews,
    /// `Channel.followsNum`
    ChannelFollows,
    /// `Channel.videoViewsNum`
    ChannelViews,
    /// `StorageDataObject.resolvedUrls`
    ResolvedUrls,
}

impl GatewayField {
    /// All of them: the type, the field's name, its description.
    pub const ALL: [(Self, &'static str, &'static str, &'static str); 4] = [
        (
            Self::VideoViews,
            "Video",
            "viewsNum",
            "How often the video was viewed.",
        ),
        (
            Self::ChannelFollows,
            "Channel",
            "followsNum",
            "How many follow the channel.",
        ),
        (
            Self::ChannelViews,
            "Channel",
            "videoViewsNum",
            "How often videos of the channel were viewed.",
        ),
        (
            Self::ResolvedUrls,
            "StorageDataObject",
            "resolvedUrls",
            "Where the asset can be fetched, nearest first.",
        ),
    ];

    /// The gateway's field of this type and name.
    pub fn of(type_name: &str, field: &str) -> Option<Self> {
        let found = Self::ALL
            .iter()
            .find(|(_, on, name, _)| *on == type_name && *name == field);
        found.map(|(field, ..)| *field)
    }

    /// Its type, as introspection writes it.
    pub fn introspected_type(self) -> Value {
        match self {
            Self::ResolvedUrls => {
                let text = required(scalar("String"));
                required(json!({"kind": "LIST", "name": null, "ofType": text}))
            }
            _ => required(scalar("Int")),
        }
    }
}

/// A mutation of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A video was watched.
    AddVideoView,
    /// The client follows a channel from now on.
    FollowChannel,
    /// The client no longer follows a channel.
    UnfollowChannel,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::AddVideoView,
        Self::FollowChannel,
        Self::UnfollowChannel,
    ];

    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddVideoView => "addVideoView",
            Self::FollowChannel => "followChannel",
            Self::UnfollowChannel => "unfollowChannel",
        }
    }

    /// Its only argument.
    pub const fn argument(self) -> &'static str {
        match self {
            Self::AddVideoView => "videoId",
            Self::FollowChannel | Self::UnfollowChannel => "channelId",
        }
    }

    /// The type of its result.
    pub const fn result(self) -> &'static str {
        match self {
            Self::AddVideoView => "AddVideoViewResult",
            Self::FollowChannel => "ChannelFollowResult",
            Self::UnfollowChannel => "ChannelUnfollowResult",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::AddVideoView => "Counts a view, once for each client and video in a while.",
            Self::FollowChannel => "Follows a channel.",
            Self::UnfollowChannel => "Stops following a channel.",
        }
    }

    /// Fields of the result and their types.
    const fn result_fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AddVideoView => &[
                ("videoId", "String"),
                ("viewId", "String"),
                ("viewsNum", "Int"),
                ("added", "Boolean"),
            ],
            Self::FollowChannel => &[
                ("channelId", "String"),
                ("followId", "String"),
                ("follows", "Int"),
                ("added", "Boolean"),
            ],
            Self::UnfollowChannel => &[
                ("channelId", "String"),
                ("follows", "Int"),
                ("removed", "Boolean"),
            ],
        }
    }
}

/// Name of the type with the mutations.
pub const MUTATION_TYPE: &str = "Mutation";

/// The gateway's own types, as introspection writes them: results, and the type with the mutations.
pub fn own_types() -> Vec<Value> {
    let mut types: Vec<Value> = ["Int", "String", "Boolean"].map(scalar_type).into();
    for mutation in Mutation::ALL {
        let fields = mutation.result_fields().iter();
        let fields = fields
            .map(|(name, of)| field(name, "", json!([]), required(scalar(of))))
            .collect();
        types.push(object_type(mutation.result(), "", fields));
    }
    let mutations = Mutation::ALL.map(|mutation| {
        let argument = json!([{
            "name": mutation.argument(), "description": null, "type": required(scalar("String")),
            "defaultValue": null, "isDeprecated": false, "deprecationReason": null,
        }]);
        let result = required(json!({"kind": "OBJECT", "name": mutation.result(), "ofType": null}));
        field(mutation.name(), mutation.description(), argument, result)
    });
    types.push(object_type(
        MUTATION_TYPE,
        "What clients can tell the gateway.",
        mutations.into(),
    ));
    types
}

/// A field as introspection writes it.
pub fn field(name: &str, description: &str, args: Value, of: Value) -> Value {
    json!({
        "name": name, "description": description, "args": args, "type": of,
        "isDeprecated": false, "deprecationReason": null,
    })
}

fn object_type(name: &str, description: &str, fields: Vec<Value>) -> Value {
    json!({
        "kind": "OBJECT", "name": name, "description": description, "fields": fields, "interfaces": [],
        "possibleTypes": null, "inputFields": null, "enumValues": null, "specifiedByURL": null,
    })
}

fn scalar_type(name: &str) -> Value {
    json!({
        "kind": "SCALAR", "name": name, "description": null, "fields": null, "interfaces": null,
        "possibleTypes": null, "inputFields": null, "enumValues": null, "specifiedByURL": null,
    })
}

fn scalar(name: &str) -> Value {
    json!({"kind": "SCALAR", "name": name, "ofType": null})
}

fn required(of: Value) -> Value {
    json!({"kind": "NON_NULL", "name": null, "ofType": of})
}
