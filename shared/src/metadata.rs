//! The protobuf messages that travel in transactions as opaque bytes: where operators listen, what
//! channels and videos are called. Written by hand from the field numbers every existing client
//! uses; presence matters (an absent field keeps what was, an empty text clears it), hence `Option`
//! nearly everywhere.

use prost::{Enumeration, Message, Oneof};

/// Bytes that are not the message they should be.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Not protobuf, or fields of another type.
    #[error("{message} cannot be decoded: {cause}")]
    Undecodable {
        /// The message expected.
        message: &'static str,
        /// What the decoder says.
        #[source]
        cause: prost::DecodeError,
    },
    /// A field that must be there is not.
    #[error("{message} has no {field}, which it must have")]
    Missing {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
}

fn decode<M: Message + Default>(message: &'static str, bytes: &[u8]) -> Result<M, MetadataError> {
    M::decode(bytes).map_err(|cause| MetadataError::Undecodable { message, cause })
}

// ------------------------------------------------------------------------------------ operators

/// What the operator of a storage bucket, or of a distribution bucket, says about its node.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorMetadata {
    /// HTTP root of the node ("https://storage.example.com/storage/").
    #[prost(string, optional, tag = "1")]
    pub endpoint: Option<String>,
    /// Where it stands; a location without any field clears what was said before.
    #[prost(message, optional, tag = "2")]
    pub location: Option<NodeLocation>,
    /// Anything else.
    #[prost(string, optional, tag = "3")]
    pub extra: Option<String>,
}

impl OperatorMetadata {
    /// Decodes the bytes of a metadata event.
    pub fn from_event(bytes: &[u8]) -> Result<Self, MetadataError> {
        decode("operator metadata", bytes)
    }

    /// As the chain keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// Where a node stands.
#[derive(Clone, PartialEq, Message)]
pub struct NodeLocation {
    /// ISO 3166-1 alpha-2.
    #[prost(string, optional, tag = "1")]
    pub country_code: Option<String>,
    /// City.
    #[prost(string, optional, tag = "2")]
    pub city: Option<String>,
    /// Coordinates; without any field they clear what was said before.
    #[prost(message, optional, tag = "3")]
    pub coordinates: Option<GeoCoordinates>,
}

/// Degrees. The field numbers begin at 3.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct GeoCoordinates {
    /// North is positive.
    #[prost(float, optional, tag = "3")]
    pub latitude: Option<f32>,
    /// East is positive.
    #[prost(float, optional, tag = "4")]
    pub longitude: Option<f32>,
}

/// What the lead says about a family of distribution buckets.
#[derive(Clone, PartialEq, Message)]
pub struct DistributionBucketFamilyMetadata {
    /// Name of the region.
    #[prost(string, optional, tag = "1")]
    pub region: Option<String>,
    /// More about it.
    #[prost(string, optional, tag = "2")]
    pub description: Option<String>,
    /// The areas it covers; one area without a code clears the list.
    #[prost(message, repeated, tag = "3")]
    pub areas: Vec<GeographicalArea>,
    /// Addresses to ping in order to tell how near the region is.
    #[prost(string, repeated, tag = "4")]
    pub latency_test_targets: Vec<String>,
}

impl DistributionBucketFamilyMetadata {
    /// Decodes the bytes of a metadata event.
    pub fn from_event(bytes: &[u8]) -> Result<Self, MetadataError> {
        decode("distribution bucket family metadata", bytes)
    }

    /// As the chain keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// A part of the world.
#[derive(Clone, PartialEq, Message)]
pub struct GeographicalArea {
    /// Which; `None` in a list means "clear the list".
    #[prost(oneof = "geographical_area::Code", tags = "1, 2, 3")]
    pub code: Option<geographical_area::Code>,
}

/// The choice inside [`GeographicalArea`].
pub mod geographical_area {
    use super::Oneof;

    /// A continent, a country or a part of a country.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum Code {
        /// A [`super::Continent`] as its number.
        #[prost(enumeration = "super::Continent", tag = "1")]
        Continent(i32),
        /// ISO 3166-1 alpha-2.
        #[prost(string, tag = "2")]
        CountryCode(String),
        /// ISO 3166-2.
        #[prost(string, tag = "3")]
        SubdivisionCode(String),
    }
}

/// Continents by their usual two letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Continent {
    /// Africa.
    Af = 1,
    /// North America.
    Na = 2,
    /// Oceania.
    Oc = 3,
    /// Antarctica.
    An = 4,
    /// Asia.
    As = 5,
    /// Europe.
    Eu = 6,
    /// South America.
    Sa = 7,
}

// -------------------------------------------------------------------------------------- content

/// What a creator says about a channel.
#[derive(Clone, PartialEq, Message)]
pub struct ChannelMetadata {
    /// Title.
    #[prost(string, optional, tag = "1")]
    pub title: Option<String>,
    /// Description.
    #[prost(string, optional, tag = "2")]
    pub description: Option<String>,
    /// Shown to everyone?
    #[prost(bool, optional, tag = "3")]
    pub is_public: Option<bool>,
    /// ISO 639-1.
    #[prost(string, optional, tag = "4")]
    pub language: Option<String>,
    /// Index into the objects created by the same transaction, ascending by id.
    #[prost(uint32, optional, tag = "5")]
    pub cover_photo: Option<u32>,
    /// Index into the objects created by the same transaction, ascending by id.
    #[prost(uint32, optional, tag = "6")]
    pub avatar_photo: Option<u32>,
}

impl ChannelMetadata {
    /// Decodes the bytes of a channel event: an [`AppAction`] around the message, or the message.
    pub fn from_event(bytes: &[u8]) -> Result<(Self, Option<AppAction>), MetadataError> {
        let (inner, action) = AppAction::unwrap(bytes);
        Ok((decode("channel metadata", &inner)?, action))
    }
}

/// What a creator says about a piece of content; videos are the only kind.
#[derive(Clone, PartialEq, Message)]
pub struct ContentMetadata {
    /// The kind.
    #[prost(oneof = "content_metadata::ContentType", tags = "1")]
    pub content_type: Option<content_metadata::ContentType>,
}

/// The choice inside [`ContentMetadata`].
pub mod content_metadata {
    use super::Oneof;

    /// A kind of content.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum ContentType {
        /// A video.
        #[prost(message, tag = "1")]
        VideoMetadata(super::VideoMetadata),
    }
}

impl ContentMetadata {
    /// Decodes the bytes of a video event: an [`AppAction`] around the message, or the message.
    pub fn from_event(bytes: &[u8]) -> Result<(Self, Option<AppAction>), MetadataError> {
        let (inner, action) = AppAction::unwrap(bytes);
        let content: Self = decode("content metadata", &inner)?;
        for subtitle in content.video().iter().flat_map(|video| &video.subtitles) {
            subtitle.check()?;
        }
        Ok((content, action))
    }

    /// The video, if this is one.
    pub fn video(&self) -> Option<&VideoMetadata> {
        self.content_type.as_ref().map(|kind| match kind {
            content_metadata::ContentType::VideoMetadata(video) => video,
        })
    }
}

/// What a creator says about a video.
#[derive(Clone, PartialEq, Message)]
pub struct VideoMetadata {
    /// Title.
    #[prost(string, optional, tag = "1")]
    pub title: Option<String>,
    /// Description.
    #[prost(string, optional, tag = "2")]
    pub description: Option<String>,
    /// The media: index into the objects created by the same transaction, ascending by id.
    #[prost(uint32, optional, tag = "3")]
    pub video: Option<u32>,
    /// The thumbnail: index as in `video`.
    #[prost(uint32, optional, tag = "4")]
    pub thumbnail_photo: Option<u32>,
    /// Seconds.
    #[prost(uint32, optional, tag = "5")]
    pub duration: Option<u32>,
    /// Pixels.
    #[prost(uint32, optional, tag = "6")]
    pub media_pixel_height: Option<u32>,
    /// Pixels.
    #[prost(uint32, optional, tag = "7")]
    pub media_pixel_width: Option<u32>,
    /// Encoding.
    #[prost(message, optional, tag = "8")]
    pub media_type: Option<MediaType>,
    /// ISO 639-1.
    #[prost(string, optional, tag = "9")]
    pub language: Option<String>,
    /// License.
    #[prost(message, optional, tag = "10")]
    pub license: Option<License>,
    /// Was it published elsewhere before?
    #[prost(message, optional, tag = "11")]
    pub published_before_joystream: Option<PublishedBeforeJoystream>,
    /// Does it contain marketing?
    #[prost(bool, optional, tag = "12")]
    pub has_marketing: Option<bool>,
    /// Shown to everyone?
    #[prost(bool, optional, tag = "13")]
    pub is_public: Option<bool>,
    /// Not for everyone?
    #[prost(bool, optional, tag = "14")]
    pub is_explicit: Option<bool>,
    /// Member ids of the people in it.
    #[prost(uint64, repeated, tag = "15")]
    pub persons: Vec<u64>,
    /// Category id.
    #[prost(string, optional, tag = "16")]
    pub category: Option<String>,
    /// Subtitles; empty means "as before", see `clear_subtitles`.
    #[prost(message, repeated, tag = "17")]
    pub subtitles: Vec<SubtitleMetadata>,
    /// May people comment?
    #[prost(bool, optional, tag = "18")]
    pub enable_comments: Option<bool>,
    /// Remove all subtitles.
    #[prost(bool, optional, tag = "19")]
    pub clear_subtitles: Option<bool>,
    /// A short, upright video?
    #[prost(bool, optional, tag = "20")]
    pub is_short: Option<bool>,
}

/// How a video is encoded.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct MediaType {
    /// Codec.
    #[prost(string, optional, tag = "1")]
    pub codec_name: Option<String>,
    /// Container.
    #[prost(string, optional, tag = "2")]
    pub container: Option<String>,
    /// Media type ("video/mp4").
    #[prost(string, optional, tag = "3")]
    pub mime_media_type: Option<String>,
}

/// Under which terms a video may be used.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct License {
    /// Number of a known license.
    #[prost(uint32, optional, tag = "1")]
    pub code: Option<u32>,
    /// Whom to name.
    #[prost(string, optional, tag = "2")]
    pub attribution: Option<String>,
    /// Own terms.
    #[prost(string, optional, tag = "3")]
    pub custom_text: Option<String>,
}

/// Publication before the chain knew the video.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PublishedBeforeJoystream {
    /// Was it?
    #[prost(bool, optional, tag = "1")]
    pub is_published: Option<bool>,
    /// ISO 8601 date.
    #[prost(string, optional, tag = "2")]
    pub date: Option<String>,
}

/// One set of subtitles. Type, language and media type must be there.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SubtitleMetadata {
    /// "subtitles", "captions"...; required.
    #[prost(string, optional, tag = "1")]
    pub r#type: Option<String>,
    /// Index into the objects created by the same transaction, ascending by id.
    #[prost(uint32, optional, tag = "2")]
    pub new_asset: Option<u32>,
    /// ISO 639-1; required.
    #[prost(string, optional, tag = "3")]
    pub language: Option<String>,
    /// Media type; required.
    #[prost(string, optional, tag = "4")]
    pub mime_type: Option<String>,
}

impl SubtitleMetadata {
    fn check(&self) -> Result<(), MetadataError> {
        let required = [
            ("type", self.r#type.is_some()),
            ("language", self.language.is_some()),
            ("mimeType", self.mime_type.is_some()),
        ];
        match required.into_iter().find(|(_, there)| !there) {
            None => Ok(()),
            Some((field, _)) => Err(MetadataError::Missing {
                message: "subtitle metadata",
                field,
            }),
        }
    }
}

// -------------------------------------------------------------------------------------- members

/// What a member says about itself.
#[derive(Clone, PartialEq, Message)]
pub struct MembershipMetadata {
    /// Name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Picture.
    #[prost(oneof = "membership_metadata::Avatar", tags = "2, 4")]
    pub avatar: Option<membership_metadata::Avatar>,
    /// About.
    #[prost(string, optional, tag = "3")]
    pub about: Option<String>,
    /// Links.
    #[prost(message, repeated, tag = "5")]
    pub external_resources: Vec<ExternalResource>,
}

/// The choice inside [`MembershipMetadata`].
pub mod membership_metadata {
    use super::Oneof;

    /// A member's picture.
    #[derive(Clone, PartialEq, Eq, Oneof)]
    pub enum Avatar {
        /// Index of a data object.
        #[prost(uint32, tag = "2")]
        AvatarObject(u32),
        /// URL.
        #[prost(string, tag = "4")]
        AvatarUri(String),
    }
}

impl MembershipMetadata {
    /// Decodes the bytes of a membership event.
    pub fn from_event(bytes: &[u8]) -> Result<Self, MetadataError> {
        decode("membership metadata", bytes)
    }
}

/// A link of a member.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ExternalResource {
    /// Kind of site, as a number of the interface.
    #[prost(int32, optional, tag = "1")]
    pub r#type: Option<i32>,
    /// Address or name there.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

// ----------------------------------------------------------------------------------- app actions

/// A message that an app wraps and signs around the metadata of a channel or a video.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AppAction {
    /// The app. Required; its large number is what tells an app action from plain metadata.
    #[prost(string, optional, tag = "999")]
    pub app_id: Option<String>,
    /// An [`AppActionMetadata`].
    #[prost(bytes = "vec", optional, tag = "2")]
    pub metadata: Option<Vec<u8>>,
    /// The wrapped message.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub raw_action: Option<Vec<u8>>,
    /// The app's ed25519 signature.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub signature: Option<Vec<u8>>,
}

impl AppAction {
    /// The wrapped bytes and the action if this is one, else the bytes themselves.
    pub fn unwrap(bytes: &[u8]) -> (std::borrow::Cow<'_, [u8]>, Option<Self>) {
        match Self::decode(bytes) {
            Ok(action) if action.app_id.is_some() => (
                action.raw_action.clone().unwrap_or_default().into(),
                Some(action),
            ),
            _ => (bytes.into(), None),
        }
    }
}

/// What an app adds to an action.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AppActionMetadata {
    /// The video's id at the site it was imported from.
    #[prost(string, optional, tag = "2")]
    pub video_id: Option<String>,
}

#[cfg(test)]
mod tests;
