//! Channels and videos. Assets are named in the metadata by their index among the objects that the same
//! event created, ascending by id.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    chain::event::{ChannelOwner, ContentEvent},
    ids::{ChannelId, ObjectId, VideoId},
    metadata::{
        AppAction, AppActionMetadata, ChannelMetadata, ContentMetadata, License, MediaType,
        PublishedBeforeJoystream, SubtitleMetadata, VideoMetadata,
    },
};

use super::{
    Known, Place, Read, clean, decoded, language::put_language, members::MEMBERSHIP, put, put_text,
    storage::OBJECT,
};
use crate::{
    schema::{Value, value::parse_time},
    store::change::{Change, Fields},
};

const CHANNEL: &str = "Channel";
const VIDEO: &str = "Video";
const SUBTITLE: &str = "VideoSubtitle";
const LICENSE: &str = "License";
const MEDIA_METADATA: &str = "VideoMediaMetadata";

/// Which rows the event needs to know: what it replaces, and how large new media are.
pub fn reads(event: &ContentEvent) -> Vec<Read> {
    let objects = |ids: &BTreeSet<ObjectId>| Read {
        entity: OBJECT,
        path: "id",
        texts: ids.iter().map(ToString::to_string).collect(),
    };
    match event {
        ContentEvent::ChannelUpdated { channel, .. } => vec![Read::new(CHANNEL, "id", channel)],
        ContentEvent::VideoCreated { new_objects, .. } => vec![objects(new_objects)],
        ContentEvent::VideoUpdated {
            video, new_objects, ..
        } => {
            vec![
                Read::new(VIDEO, "id", video),
                Read::new(SUBTITLE, "video", video),
                objects(new_objects),
            ]
        }
        _ => Vec::new(),
    }
}

/// What the event changes.
pub fn changes(event: &ContentEvent, place: Place, known: &Known) -> Vec<Change> {
    match event {
        ContentEvent::ChannelCreated {
            channel,
            owner,
            metadata,
            new_objects,
            state_bloat_bond,
            reward_account,
        } => {
            let fields = Fields::new()
                .set("createdAt", place.time())
                .set("createdInBlock", place.block)
                .set("isCensored", false)
                .set("isExcluded", false)
                .set("rewardAccount", reward_account.to_string())
                .set("channelStateBloatBond", *state_bloat_bond)
                .set("totalVideosCreated", 0i64);
            let (fields, mut changes) = match owner {
                ChannelOwner::Member(member) => {
                    let count = Change::Add {
                        entity: MEMBERSHIP,
                        id: member.to_string(),
                        field: "totalChannelsCreated",
                        by: 1,
                    };
                    (fields.set("ownerMember", member.to_string()), vec![count])
                }
                ChannelOwner::CuratorGroup(group) => (
                    fields.set("ownerCuratorGroupId", group.to_string()),
                    Vec::new(),
                ),
            };
            changes.push(Change::put(CHANNEL, channel, fields));
            changes.extend(channel_metadata(
                *channel,
                metadata.as_deref(),
                new_objects,
                place,
                known,
            ));
            changes
        }
        ContentEvent::ChannelUpdated {
            channel,
            metadata,
            new_objects,
        } => channel_metadata(*channel, metadata.as_deref(), new_objects, place, known),
        ContentEvent::ChannelDeleted { channel } => vec![Change::delete(CHANNEL, channel)],
        ContentEvent::ChannelVisibilitySetByModerator { channel, hidden } => {
            vec![Change::set(
                CHANNEL,
                channel,
                Fields::new().set("isCensored", *hidden),
            )]
        }
        ContentEvent::VideoCreated {
            channel,
            video,
            metadata,
            new_objects,
            state_bloat_bond,
        } => {
            let fields = Fields::new()
                .set("createdAt", place.time())
                .set("createdInBlock", place.block)
                .set("channel", channel.to_string())
                .set("isCensored", false)
                .set("isExcluded", false)
                .set("isCommentSectionEnabled", true)
                .set("videoStateBloatBond", *state_bloat_bond);
            let count = Change::Add {
                entity: CHANNEL,
                id: channel.to_string(),
                field: "totalVideosCreated",
                by: 1,
            };
            let mut changes = vec![Change::put(VIDEO, video, fields), count];
            changes.extend(video_metadata(
                *video,
                metadata.as_deref(),
                new_objects,
                place,
                known,
            ));
            changes
        }
        ContentEvent::VideoUpdated {
            video,
            metadata,
            new_objects,
        } => video_metadata(*video, metadata.as_deref(), new_objects, place, known),
        ContentEvent::VideoDeleted { video } => vec![Change::delete(VIDEO, video)],
        ContentEvent::VideoVisibilitySetByModerator { video, hidden } => {
            vec![Change::set(
                VIDEO,
                video,
                Fields::new().set("isCensored", *hidden),
            )]
        }
    }
}

/// The assets of one channel or video: puts new ones in place and marks those they replace.
struct Assets<'a> {
    new_objects: &'a BTreeSet<ObjectId>,
    place: Place,
    known: &'a Known,
    changes: Vec<Change>,
}

impl Assets<'_> {
    /// The object of this index; an index out of range is ignored.
    fn object(&self, index: u32) -> Option<String> {
        let object = self.new_objects.iter().nth(usize::try_from(index).ok()?);
        if object.is_none() {
            tracing::warn!(
                index,
                created = self.new_objects.len(),
                "the metadata names an asset that was not created; it is ignored"
            );
        }
        object.map(ToString::to_string)
    }

    /// Puts an asset into a field of its owner and says on the object what it is.
    fn place(
        &mut self,
        owner: &mut Fields,
        entity: &str,
        field: &str,
        index: Option<u32>,
        kind: Fields,
    ) {
        let Some(object) = index.and_then(|index| self.object(index)) else {
            return;
        };
        if let Some(replaced) = self.known.text(entity, field) {
            self.unset(replaced.to_owned());
        }
        self.changes.push(Change::set(OBJECT, &object, kind));
        owner.put(field, object);
    }

    fn unset(&mut self, object: String) {
        self.changes.push(Change::set(
            OBJECT,
            object,
            Fields::new().set("unsetAt", self.place.time()),
        ));
    }
}

fn channel_metadata(
    channel: ChannelId,
    metadata: Option<&[u8]>,
    new_objects: &BTreeSet<ObjectId>,
    place: Place,
    known: &Known,
) -> Vec<Change> {
    let Some((metadata, _)) =
        metadata.and_then(|bytes| decoded(ChannelMetadata::from_event(bytes), &channel))
    else {
        return Vec::new();
    };
    let mut fields = Fields::new();
    put_text(&mut fields, "title", metadata.title.as_ref());
    put_text(&mut fields, "description", metadata.description.as_ref());
    put(&mut fields, "isPublic", metadata.is_public);
    put_language(&mut fields, metadata.language.as_ref());
    let mut assets = Assets {
        new_objects,
        place,
        known,
        changes: Vec::new(),
    };
    let kind = |variant: &str| {
        Fields::new()
            .set("type", variant)
            .set("type.channel", channel.to_string())
    };
    assets.place(
        &mut fields,
        CHANNEL,
        "coverPhoto",
        metadata.cover_photo,
        kind("DataObjectTypeChannelCoverPhoto"),
    );
    assets.place(
        &mut fields,
        CHANNEL,
        "avatarPhoto",
        metadata.avatar_photo,
        kind("DataObjectTypeChannelAvatar"),
    );
    assets.changes.push(Change::set(CHANNEL, channel, fields));
    assets.changes
}

fn video_metadata(
    video: VideoId,
    metadata: Option<&[u8]>,
    new_objects: &BTreeSet<ObjectId>,
    place: Place,
    known: &Known,
) -> Vec<Change> {
    let decoded = metadata.and_then(|bytes| decoded(ContentMetadata::from_event(bytes), &video));
    let Some((content, action)) = decoded else {
        return Vec::new();
    };
    let Some(metadata) = content.video() else {
        return Vec::new();
    };
    let mut fields = Fields::new();
    put_plain(&mut fields, metadata);
    put_text(
        &mut fields,
        "ytVideoId",
        action.as_ref().and_then(imported_from).as_ref(),
    );
    let mut assets = Assets {
        new_objects,
        place,
        known,
        changes: Vec::new(),
    };
    let kind = |variant: &str| {
        Fields::new()
            .set("type", variant)
            .set("type.video", video.to_string())
    };
    assets.place(
        &mut fields,
        VIDEO,
        "media",
        metadata.video,
        kind("DataObjectTypeVideoMedia"),
    );
    assets.place(
        &mut fields,
        VIDEO,
        "thumbnailPhoto",
        metadata.thumbnail_photo,
        kind("DataObjectTypeVideoThumbnail"),
    );
    let media = fields
        .get("media")
        .and_then(Value::as_text)
        .map(str::to_owned);
    assets.changes.push(Change::set(VIDEO, video, fields));
    subtitles(&mut assets, video, metadata);
    let mut changes = assets.changes;
    changes.extend(media_metadata(
        video,
        metadata,
        media.as_deref(),
        place,
        known,
    ));
    changes.extend(
        metadata
            .license
            .iter()
            .flat_map(|license| license_changes(video, license)),
    );
    changes
}

/// The fields that are columns of the video itself.
fn put_plain(fields: &mut Fields, metadata: &VideoMetadata) {
    put_text(fields, "title", metadata.title.as_ref());
    put_text(fields, "description", metadata.description.as_ref());
    put(fields, "duration", metadata.duration);
    put(fields, "hasMarketing", metadata.has_marketing);
    put(fields, "isPublic", metadata.is_public);
    put(fields, "isExplicit", metadata.is_explicit);
    put(fields, "isShort", metadata.is_short);
    put(fields, "isCommentSectionEnabled", metadata.enable_comments);
    put_text(fields, "category", metadata.category.as_ref());
    put_language(fields, metadata.language.as_ref());
    match &metadata.published_before_joystream {
        Some(PublishedBeforeJoystream {
            is_published: Some(true),
            date: Some(date),
        }) => {
            if let Some(moment) = parse_time(date) {
                fields.put("publishedBeforeJoystream", Value::Time(moment));
            }
        }
        Some(PublishedBeforeJoystream {
            is_published: Some(false),
            ..
        }) => {
            fields.put("publishedBeforeJoystream", Value::Null);
        }
        _ => {}
    }
}

/// The id of the video at the site an app imported it from.
fn imported_from(action: &AppAction) -> Option<String> {
    use prost::Message;
    AppActionMetadata::decode(action.metadata.as_deref()?)
        .ok()?
        .video_id
}

/// A list of subtitles replaces the list there was; one that was there keeps its asset unless a new one
/// is named.
fn subtitles(assets: &mut Assets<'_>, video: VideoId, metadata: &VideoMetadata) {
    let clear = metadata.clear_subtitles == Some(true);
    if !clear && metadata.subtitles.is_empty() {
        return;
    }
    let id = |subtitle: &SubtitleMetadata| {
        let part = |text: &Option<String>| clean(text.as_deref().unwrap_or_default());
        format!(
            "{video}-{}-{}",
            part(&subtitle.r#type),
            part(&subtitle.language)
        )
    };
    let wanted: BTreeMap<String, &SubtitleMetadata> = metadata
        .subtitles
        .iter()
        .map(|subtitle| (id(subtitle), subtitle))
        .collect();
    let known = assets.known;
    let mut kept_assets = BTreeMap::new();
    for row in known.rows(SUBTITLE) {
        let Some(id) = row.get("id").and_then(Value::as_text) else {
            continue;
        };
        let asset = row.get("asset").and_then(Value::as_text);
        match wanted.get(id).filter(|_| !clear) {
            Some(subtitle) if subtitle.new_asset.is_none() => {
                kept_assets.extend(asset.map(|asset| (id.to_owned(), asset.to_owned())));
            }
            Some(_) => asset
                .into_iter()
                .for_each(|asset| assets.unset(asset.to_owned())),
            None => {
                asset
                    .into_iter()
                    .for_each(|asset| assets.unset(asset.to_owned()));
                assets.changes.push(Change::delete(SUBTITLE, id));
            }
        }
    }
    for (id, subtitle) in wanted {
        let asset = subtitle.new_asset.and_then(|index| assets.object(index));
        let mut fields = Fields::new()
            .set("video", video.to_string())
            .set(
                "type",
                clean(subtitle.r#type.as_deref().unwrap_or_default()),
            )
            .set(
                "mimeType",
                clean(subtitle.mime_type.as_deref().unwrap_or_default()),
            )
            .set("asset", asset.clone().or_else(|| kept_assets.remove(&id)));
        put_language(&mut fields, subtitle.language.as_ref());
        assets.changes.push(Change::put(SUBTITLE, &id, fields));
        if let Some(asset) = asset {
            let kind = Fields::new()
                .set("type", "DataObjectTypeVideoSubtitle")
                .set("type.subtitle", id.as_str())
                .set("type.video", video.to_string());
            assets.changes.push(Change::set(OBJECT, asset, kind));
        }
    }
}

fn media_metadata(
    video: VideoId,
    metadata: &VideoMetadata,
    media: Option<&str>,
    place: Place,
    known: &Known,
) -> Vec<Change> {
    let mut fields = Fields::new();
    put(&mut fields, "pixelWidth", metadata.media_pixel_width);
    put(&mut fields, "pixelHeight", metadata.media_pixel_height);
    if let Some(MediaType {
        codec_name,
        container,
        mime_media_type,
    }) = &metadata.media_type
    {
        fields.put("encoding", true);
        put_text(&mut fields, "encoding.codecName", codec_name.as_ref());
        put_text(&mut fields, "encoding.container", container.as_ref());
        put_text(
            &mut fields,
            "encoding.mimeMediaType",
            mime_media_type.as_ref(),
        );
    }
    let of_media = |row: &&BTreeMap<String, Value>| row.get("id").and_then(Value::as_text) == media;
    if let Some(size) = media.and_then(|_| {
        known
            .rows(OBJECT)
            .iter()
            .find(of_media)?
            .get("size")
            .cloned()
    }) {
        fields.put("size", size);
    }
    if fields.is_empty() {
        return Vec::new();
    }
    let row = Fields::new()
        .set("video", video.to_string())
        .set("createdInBlock", place.block);
    vec![
        Change::ensure(MEDIA_METADATA, video, row),
        Change::set(MEDIA_METADATA, video, fields),
    ]
}

/// A license without any field removes it.
fn license_changes(video: VideoId, license: &License) -> Vec<Change> {
    if *license == License::default() {
        return vec![Change::delete(LICENSE, video)];
    }
    let mut fields = Fields::new();
    put(&mut fields, "code", license.code);
    put_text(&mut fields, "attribution", license.attribution.as_ref());
    put_text(&mut fields, "customText", license.custom_text.as_ref());
    vec![
        Change::ensure(
            LICENSE,
            video,
            Fields::new().set("video", video.to_string()),
        ),
        Change::set(LICENSE, video, fields),
    ]
}
