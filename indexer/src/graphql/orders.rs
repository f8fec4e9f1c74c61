//! The orders of an entity: by its own columns, and by those one step away.

use std::collections::BTreeMap;

use crate::{
    schema::{Entity, Field, Kind, Model},
    store::filter::{Order, OrderBy},
};

/// Ends of an order's name: descending, nulls first.
const DIRECTIONS: [(&str, bool, bool); 4] = [
    ("ASC", false, false),
    ("DESC", true, true),
    ("ASC_NULLS_FIRST", false, true),
    ("DESC_NULLS_LAST", true, false),
];

/// All orders of an entity: its own columns, and those one step away.
pub fn orders_of(model: &Model, entity: &Entity) -> BTreeMap<String, Order> {
    let mut orders = BTreeMap::new();
    let mut add = |name: &str, by: OrderBy| {
        for (end, descending, nulls_first) in DIRECTIONS {
            orders.insert(
                format!("{name}_{end}"),
                Order {
                    by: by.clone(),
                    descending,
                    nulls_first,
                },
            );
        }
    };
    let single = |field: &&Field| matches!(field.kind, Kind::Scalar(_) | Kind::Enum(_));
    for field in &entity.fields {
        let name = &field.name;
        match &field.kind {
            Kind::Scalar(_) | Kind::Enum(_) => add(name, OrderBy::Column(name.clone())),
            Kind::Object(_) | Kind::Union(_) => {
                if matches!(field.kind, Kind::Union(_)) {
                    add(&format!("{name}_isTypeOf"), OrderBy::Column(name.clone()));
                }
                for inner in model.inner_fields(&field.kind).into_iter().filter(single) {
                    add(
                        &format!("{name}_{}", inner.name),
                        OrderBy::Column(format!("{name}.{}", inner.name)),
                    );
                }
            }
            Kind::Reference(target) => {
                for inner in model.entity(*target).fields.iter().filter(single) {
                    let by = OrderBy::Target {
                        path: name.clone(),
                        entity: *target,
                        column: inner.name.clone(),
                    };
                    add(&format!("{name}_{}", inner.name), by);
                }
            }
            Kind::ReverseOne { entity, field: by } => {
                for inner in model.entity(*entity).fields.iter().filter(single) {
                    let by = OrderBy::Referrer {
                        entity: *entity,
                        path: by.clone(),
                        column: inner.name.clone(),
                    };
                    add(&format!("{name}_{}", inner.name), by);
                }
            }
            Kind::ReverseMany { .. } | Kind::Texts { .. } | Kind::Unions(_) => {}
        }
    }
    orders
}
