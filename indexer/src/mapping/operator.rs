//! What operators say about their nodes, and leads about regions. The metadata row has the id of what it
//! is about.

use serde_json::json;
use shared::metadata::{
    Continent, DistributionBucketFamilyMetadata, GeoCoordinates, GeographicalArea, NodeLocation,
    OperatorMetadata, geographical_area::Code,
};

use super::{clean, decoded, put_text};
use crate::store::change::{Change, Fields};

/// A node's metadata row: `reference` is its field that refers to the operator or bucket.
pub fn changes(
    entity: &'static str,
    reference: &'static str,
    id: &str,
    bytes: &[u8],
) -> Vec<Change> {
    let Some(metadata) = decoded(OperatorMetadata::from_event(bytes), &id) else {
        return Vec::new();
    };
    let mut fields = Fields::new();
    put_text(&mut fields, "nodeEndpoint", metadata.endpoint.as_ref());
    put_text(&mut fields, "extra", metadata.extra.as_ref());
    if let Some(location) = &metadata.location {
        put_location(&mut fields, location);
    }
    vec![
        Change::ensure(entity, id, Fields::new().set(reference, id)),
        Change::set(entity, id, fields),
    ]
}

/// A location without any field clears it, as do coordinates without any.
fn put_location(fields: &mut Fields, location: &NodeLocation) {
    if *location == NodeLocation::default() {
        fields.put("nodeLocation", None::<bool>);
        return;
    }
    fields.put("nodeLocation", true);
    if let Some(code) = &location.country_code {
        fields.put("nodeLocation.countryCode", country(code));
    }
    put_text(fields, "nodeLocation.city", location.city.as_ref());
    if let Some(coordinates) = &location.coordinates {
        put_coordinates(fields, coordinates);
    }
}

fn put_coordinates(fields: &mut Fields, coordinates: &GeoCoordinates) {
    if *coordinates == GeoCoordinates::default() {
        fields.put("nodeLocation.coordinates", None::<bool>);
        return;
    }
    fields.put("nodeLocation.coordinates", true);
    fields.put(
        "nodeLocation.coordinates.latitude",
        f64::from(coordinates.latitude.unwrap_or_default()),
    );
    fields.put(
        "nodeLocation.coordinates.longitude",
        f64::from(coordinates.longitude.unwrap_or_default()),
    );
}

/// The row of what a lead says about a family.
pub fn family_changes(family: &str, bytes: &[u8]) -> Vec<Change> {
    const ENTITY: &str = "DistributionBucketFamilyMetadata";
    let Some(metadata) = decoded(DistributionBucketFamilyMetadata::from_event(bytes), &family)
    else {
        return Vec::new();
    };
    let mut fields = Fields::new();
    put_text(&mut fields, "region", metadata.region.as_ref());
    put_text(&mut fields, "description", metadata.description.as_ref());
    if !metadata.latency_test_targets.is_empty() {
        let targets: Vec<_> = metadata
            .latency_test_targets
            .iter()
            .map(|target| clean(target))
            .filter(|target| !target.is_empty())
            .collect();
        fields.put("latencyTestTargets", json!(targets));
    }
    if !metadata.areas.is_empty() {
        fields.put("areas", areas(&metadata.areas));
    }
    vec![
        Change::ensure(ENTITY, family, Fields::new().set("family", family)),
        Change::set(ENTITY, family, fields),
    ]
}

/// Each area once, without those that are none; so `[{}]` leaves an empty list.
fn areas(areas: &[GeographicalArea]) -> serde_json::Value {
    let mut list: Vec<serde_json::Value> = Vec::new();
    for area in areas.iter().filter_map(area) {
        if !list.contains(&area) {
            list.push(area);
        }
    }
    list.into()
}

fn area(area: &GeographicalArea) -> Option<serde_json::Value> {
    Some(match area.code.as_ref()? {
        Code::Continent(number) => {
            json!({ "isTypeOf": "GeographicalAreaContinent", "continentCode": continent(*number)? })
        }
        Code::CountryCode(code) => {
            json!({ "isTypeOf": "GeographicalAreaCountry", "countryCode": country(code)? })
        }
        Code::SubdivisionCode(code) => {
            let plausible = code.split_once('-').is_some_and(|(of, part)| {
                country(of).is_some()
                    && (1..=3).contains(&part.len())
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
            plausible.then(
                || json!({ "isTypeOf": "GeographicalAreaSubdivistion", "subdivisionCode": code }),
            )?
        }
    })
}

fn continent(number: i32) -> Option<&'static str> {
    Some(match Continent::try_from(number).ok()? {
        Continent::Af => "AF",
        Continent::Na => "NA",
        Continent::Oc => "OC",
        Continent::An => "AN",
        Continent::As => "AS",
        Continent::Eu => "EU",
        Continent::Sa => "SA",
    })
}

/// Country codes of ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE \
KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW \
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE \
SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE \
VG VI VN VU WF WS YE YT ZA ZM ZW";

fn country(code: &str) -> Option<String> {
    let known = code.len() == 2 && COUNTRIES.split(' ').any(|country| country == code);
    known.then(|| code.to_owned())
}
