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
mod tests {
    use super::*;

    /// Both directions, against bytes written down by hand from the field numbers.
    fn wire<M: Message + Default + PartialEq + std::fmt::Debug>(message: &M, bytes: &[u8]) {
        assert_eq!(hex::encode(message.encode_to_vec()), hex::encode(bytes));
        assert_eq!(&M::decode(bytes).unwrap(), message);
    }

    #[test]
    fn operator_metadata_has_its_coordinates_at_3_and_4() {
        let message = OperatorMetadata {
            endpoint: Some("http://n/".to_owned()),
            location: Some(NodeLocation {
                country_code: Some("NO".to_owned()),
                city: None,
                coordinates: Some(GeoCoordinates {
                    latitude: Some(1.0),
                    longitude: Some(-2.0),
                }),
            }),
            extra: None,
        };
        let mut bytes = b"\x0a\x09http://n/".to_vec();
        bytes.extend(b"\x12\x10\x0a\x02NO\x1a\x0a\x1d\x00\x00\x80\x3f\x25\x00\x00\x00\xc0");
        wire(&message, &bytes);
    }

    #[test]
    fn absent_and_empty_differ() {
        let empty = OperatorMetadata {
            endpoint: Some(String::new()),
            location: Some(NodeLocation::default()),
            extra: None,
        };
        wire(&empty, b"\x0a\x00\x12\x00");
        wire(&OperatorMetadata::default(), b"");
    }

    #[test]
    fn family_metadata_with_every_kind_of_area() {
        use geographical_area::Code;
        let area = |code| GeographicalArea { code };
        let message = DistributionBucketFamilyMetadata {
            region: Some("eu".to_owned()),
            description: None,
            areas: vec![
                area(Some(Code::Continent(Continent::Eu as i32))),
                area(Some(Code::CountryCode("DE".to_owned()))),
                area(Some(Code::SubdivisionCode("DE-BE".to_owned()))),
                area(None),
            ],
            latency_test_targets: vec!["t".to_owned()],
        };
        wire(
            &message,
            b"\x0a\x02eu\x1a\x02\x08\x06\x1a\x04\x12\x02DE\x1a\x07\x1a\x05DE-BE\x1a\x00\x22\x01t",
        );
    }

    #[test]
    fn channel_metadata() {
        let message = ChannelMetadata {
            title: Some("T".to_owned()),
            description: None,
            is_public: Some(false),
            language: Some("en".to_owned()),
            cover_photo: Some(0),
            avatar_photo: Some(1),
        };
        wire(&message, b"\x0a\x01T\x18\x00\x22\x02en\x28\x00\x30\x01");
        let (read, action) = ChannelMetadata::from_event(&message.encode_to_vec()).unwrap();
        assert_eq!((read, action), (message, None));
    }

    fn video() -> ContentMetadata {
        ContentMetadata {
            content_type: Some(content_metadata::ContentType::VideoMetadata(
                VideoMetadata {
                    title: Some("V".to_owned()),
                    video: Some(0),
                    media_type: Some(MediaType {
                        mime_media_type: Some("v/m".to_owned()),
                        ..Default::default()
                    }),
                    license: Some(License {
                        code: Some(300),
                        ..Default::default()
                    }),
                    persons: vec![1, 2],
                    category: Some("9".to_owned()),
                    subtitles: vec![SubtitleMetadata {
                        r#type: Some("s".to_owned()),
                        new_asset: Some(2),
                        language: Some("en".to_owned()),
                        mime_type: Some("t".to_owned()),
                    }],
                    is_short: Some(true),
                    ..Default::default()
                },
            )),
        }
    }

    #[test]
    fn video_metadata_inside_content_metadata() {
        let mut inner = b"\x0a\x01V\x18\x00\x42\x05\x1a\x03v/m\x52\x03\x08\xac\x02".to_vec();
        inner.extend(b"\x7a\x02\x01\x02\x82\x01\x019");
        inner.extend(b"\x8a\x01\x0c\x0a\x01s\x10\x02\x1a\x02en\x22\x01t\xa0\x01\x01");
        let mut bytes = vec![0x0a, u8::try_from(inner.len()).unwrap()];
        bytes.extend(inner);
        wire(&video(), &bytes);
        let (read, action) = ContentMetadata::from_event(&bytes).unwrap();
        assert_eq!((read, action), (video(), None));
    }

    #[test]
    fn unpacked_persons_are_read_too() {
        let read = VideoMetadata::decode(&b"\x78\x01\x78\x02"[..]).unwrap();
        assert_eq!(read.persons, [1, 2]);
    }

    #[test]
    fn a_subtitle_without_language_is_refused() {
        let error = ContentMetadata::from_event(b"\x0a\x0b\x8a\x01\x08\x0a\x01s\x22\x01t\x10\x02")
            .expect_err("language is required");
        assert!(error.to_string().contains("language"), "{error}");
    }

    #[test]
    fn membership_metadata() {
        let message = MembershipMetadata {
            name: Some("N".to_owned()),
            avatar: Some(membership_metadata::Avatar::AvatarUri("u".to_owned())),
            about: Some("a".to_owned()),
            external_resources: vec![ExternalResource {
                r#type: Some(0),
                value: Some("x".to_owned()),
            }],
        };
        let bytes = b"\x0a\x01N\x1a\x01a\x22\x01u\x2a\x05\x08\x00\x12\x01x";
        assert_eq!(MembershipMetadata::from_event(bytes).unwrap(), message);
        assert_eq!(
            MembershipMetadata::from_event(&message.encode_to_vec()).unwrap(),
            message
        );
    }

    #[test]
    fn app_actions_are_recognised_by_their_app_id() {
        let action = AppAction {
            app_id: Some("ab".to_owned()),
            metadata: None,
            raw_action: Some(video().encode_to_vec()),
            signature: Some(vec![7]),
        };
        let bytes = action.encode_to_vec();
        assert!(bytes.windows(5).any(|window| window == b"\xba\x3e\x02ab"));
        let (read, found) = ContentMetadata::from_event(&bytes).unwrap();
        assert_eq!((read, found), (video(), Some(action)));
        let (_, none) = AppAction::unwrap(&video().encode_to_vec());
        assert_eq!(none, None);
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(OperatorMetadata::from_event(b"\xff\xff").is_err());
        assert!(ChannelMetadata::from_event(b"\x0a\x05ab").is_err());
    }
}
