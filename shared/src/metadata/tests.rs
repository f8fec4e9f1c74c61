//! Messages against bytes computed by hand, and against themselves.

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
