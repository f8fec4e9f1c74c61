//! The interface on its own: the metadata without its documentation.
//!
//! This is what clients are generated from and what a kept chain is stamped with, so that better
//! words in a comment change neither.

use codec::Encode;
use frame_metadata::v14::RuntimeMetadataV14;
use frame_metadata::RuntimeMetadata;
use scale_info::form::PortableForm;
use scale_info::{Field, PortableRegistry, TypeDef};

use crate::Runtime;

/// Metadata (V14) without documentation, SCALE-encoded: what `shared/chain/metadata.scale` holds.
pub fn metadata() -> Vec<u8> {
    let mut prefixed = Runtime::metadata();
    if let RuntimeMetadata::V14(metadata) = &mut prefixed.1 {
        drop_pallet_docs(metadata);
        drop_type_docs(&mut metadata.types);
    }
    prefixed.encode()
}

fn drop_pallet_docs(metadata: &mut RuntimeMetadataV14) {
    for pallet in &mut metadata.pallets {
        for constant in &mut pallet.constants {
            constant.docs.clear();
        }
        for entry in pallet
            .storage
            .iter_mut()
            .flat_map(|storage| &mut storage.entries)
        {
            entry.docs.clear();
        }
    }
}

fn drop_type_docs(registry: &mut PortableRegistry) {
    for portable in &mut registry.types {
        portable.ty.docs.clear();
        match &mut portable.ty.type_def {
            TypeDef::Composite(composite) => drop_field_docs(&mut composite.fields),
            TypeDef::Variant(variants) => {
                for variant in &mut variants.variants {
                    variant.docs.clear();
                    drop_field_docs(&mut variant.fields);
                }
            }
            _ => {}
        }
    }
}

fn drop_field_docs(fields: &mut [Field<PortableForm>]) {
    for field in fields {
        field.docs.clear();
    }
}
