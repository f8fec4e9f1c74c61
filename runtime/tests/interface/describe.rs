//! Describes a runtime's interface, item by item, from its metadata.
//!
//! Each item becomes a line `kind Pallet.item` and what matters about it to clients: indexes, and
//! hashes of *shapes*. A shape is what decides the encoding and the names that clients see: names
//! of fields and variants, variant indexes, and so on down to primitives. Names and paths of types
//! do not count. The calls, events and origins of the whole runtime count by name only: they are
//! made of every pallet there is.

use std::collections::BTreeMap;

use codec::Decode;
use frame_metadata::v14::{
    PalletMetadata, RuntimeMetadataV14, StorageEntryMetadata, StorageEntryType,
};
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use scale_info::form::PortableForm;
use scale_info::{Field, PortableRegistry, TypeDef};
use sp_io::hashing::blake2_128;

/// Types of the whole runtime, by the last segment of their path.
const OUTER_TYPES: [&str; 4] = [
    "RuntimeCall",
    "RuntimeEvent",
    "RuntimeError",
    "OriginCaller",
];

/// One item of the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What clients must agree with us about, in short.
    pub facts: String,
    /// The same with shapes written out, for people.
    pub detail: String,
}

/// All items by `kind Pallet.item`.
pub type Interface = BTreeMap<String, Item>;

/// Reads V14 metadata and describes what it holds.
pub fn describe(metadata: &[u8]) -> Interface {
    let prefixed = RuntimeMetadataPrefixed::decode(&mut &metadata[..]).expect("metadata decodes");
    let RuntimeMetadata::V14(metadata) = prefixed.1 else {
        panic!("metadata is not V14")
    };
    let mut describer = Describer {
        types: &metadata.types,
        items: Interface::new(),
    };
    describer.extrinsic(&metadata);
    for pallet in &metadata.pallets {
        describer.pallet(pallet);
    }
    describer.items
}

struct Describer<'a> {
    types: &'a PortableRegistry,
    items: Interface,
}

impl Describer<'_> {
    fn add(&mut self, key: String, facts: String, shape: Option<String>) {
        let item = match shape {
            None => Item {
                detail: facts.clone(),
                facts,
            },
            Some(shape) => {
                let hash = hex::encode(blake2_128(shape.as_bytes()));
                let join = |last: &str| format!("{facts} {last}").trim_start().to_owned();
                Item {
                    facts: join(&hash),
                    detail: join(&shape),
                }
            }
        };
        self.items.insert(key, item);
    }

    fn extrinsic(&mut self, metadata: &RuntimeMetadataV14) {
        let extrinsic = &metadata.extrinsic;
        self.add(
            "extrinsic version".into(),
            extrinsic.version.to_string(),
            None,
        );
        for (index, extension) in extrinsic.signed_extensions.iter().enumerate() {
            let shape = format!(
                "{} + {}",
                self.shape(extension.ty.id),
                self.shape(extension.additional_signed.id)
            );
            let key = format!("extension {}", extension.identifier);
            self.add(key, index.to_string(), Some(shape));
        }
    }

    fn pallet(&mut self, pallet: &PalletMetadata<PortableForm>) {
        let name = &pallet.name;
        let prefix = pallet
            .storage
            .as_ref()
            .map_or("-", |storage| storage.prefix.as_str());
        self.add(
            format!("pallet {name}"),
            format!("{} {prefix}", pallet.index),
            None,
        );
        let calls = pallet.calls.as_ref().map(|calls| calls.ty.id);
        let events = pallet.event.as_ref().map(|event| event.ty.id);
        let errors = pallet.error.as_ref().map(|error| error.ty.id);
        for (kind, ty) in [("call", calls), ("event", events), ("error", errors)] {
            if let Some(ty) = ty {
                self.variants(kind, name, ty);
            }
        }
        for entry in pallet.storage.iter().flat_map(|storage| &storage.entries) {
            self.storage(name, entry);
        }
        for constant in &pallet.constants {
            let key = format!("constant {name}.{}", constant.name);
            let value = hex::encode(&constant.value);
            let value = if value.len() <= 64 {
                value
            } else {
                "…".to_owned()
            };
            self.add(key, value, Some(self.shape(constant.ty.id)));
        }
    }

    fn variants(&mut self, kind: &str, pallet: &str, ty: u32) {
        let TypeDef::Variant(variants) = &self.types.resolve(ty).expect("type exists").type_def
        else {
            panic!("{kind} of {pallet} is not an enum")
        };
        for variant in &variants.variants {
            let fields = self.fields(&variant.fields, &mut Vec::new());
            let key = format!("{kind} {pallet}.{}", variant.name);
            self.add(key, variant.index.to_string(), Some(fields));
        }
    }

    fn storage(&mut self, pallet: &str, entry: &StorageEntryMetadata<PortableForm>) {
        let shape = match &entry.ty {
            StorageEntryType::Plain(value) => self.shape(value.id),
            StorageEntryType::Map {
                hashers,
                key,
                value,
            } => {
                format!(
                    "{hashers:?} {} => {}",
                    self.shape(key.id),
                    self.shape(value.id)
                )
            }
        };
        let default = hex::encode(blake2_128(&entry.default));
        let facts = format!("{:?} {default}", entry.modifier);
        self.add(
            format!("storage {pallet}.{}", entry.name),
            facts,
            Some(shape),
        );
    }

    fn shape(&self, ty: u32) -> String {
        self.shape_within(ty, &mut Vec::new())
    }

    fn shape_within(&self, id: u32, above: &mut Vec<u32>) -> String {
        let ty = self.types.resolve(id).expect("type exists");
        let name = ty.path.segments.last().map_or("", String::as_str);
        if OUTER_TYPES.contains(&name) {
            return name.to_owned();
        }
        if let Some(up) = above.iter().rev().position(|other| *other == id) {
            return format!("^{up}");
        }
        above.push(id);
        let shape = match &ty.type_def {
            TypeDef::Composite(composite) => self.fields(&composite.fields, above),
            TypeDef::Variant(variants) => {
                let variants = variants.variants.iter().map(|variant| {
                    let fields = self.fields(&variant.fields, above);
                    format!("{}={}{fields}", variant.index, variant.name)
                });
                format!("<{}>", variants.collect::<Vec<_>>().join(" | "))
            }
            TypeDef::Sequence(items) => {
                format!("[{}]", self.shape_within(items.type_param.id, above))
            }
            TypeDef::Array(items) => {
                format!(
                    "[{}; {}]",
                    self.shape_within(items.type_param.id, above),
                    items.len
                )
            }
            TypeDef::Tuple(items) => {
                let items = items
                    .fields
                    .iter()
                    .map(|item| self.shape_within(item.id, above));
                format!("({})", items.collect::<Vec<_>>().join(", "))
            }
            TypeDef::Primitive(primitive) => format!("{primitive:?}").to_lowercase(),
            TypeDef::Compact(inner) => {
                format!("compact {}", self.shape_within(inner.type_param.id, above))
            }
            TypeDef::BitSequence(_) => "bits".to_owned(),
        };
        above.pop();
        shape
    }

    fn fields(&self, fields: &[Field<PortableForm>], above: &mut Vec<u32>) -> String {
        let fields = fields.iter().map(|field| {
            let shape = self.shape_within(field.ty.id, above);
            match &field.name {
                Some(name) => format!("{name}: {shape}"),
                None => shape,
            }
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
    }
}
