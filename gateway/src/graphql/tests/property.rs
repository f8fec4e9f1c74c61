//! Random documents: gateway and indexer together answer as one server would that knows everything.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;

use super::{
    super::{
        additions::GatewayField,
        document::{Document, DocumentError},
    },
    world::{FIELDS, ROOT, answer, root, schema, through_the_gateway},
};

/// A random document over the schema.
struct Author<'a> {
    random: &'a mut StdRng,
}

impl Author<'_> {
    fn document(&mut self) -> String {
        let body = self.selections("Query", 0);
        let mut text = format!("query Q($yes: Boolean = true $no: Boolean!) {body}");
        for on in ["Video", "Channel", "StorageDataObject", "VideoEdge"] {
            // Deep enough not to use other fragments, so that none contains itself.
            text += &format!(" fragment F{on} on {on} {}", self.selections(on, 4));
        }
        text
    }

    fn selections(&mut self, on: &str, depth: usize) -> String {
        let mut items: Vec<String> = Vec::new();
        let added = GatewayField::ALL
            .iter()
            .map(|(_, on, name, _)| (*on, *name, "Int"));
        let fields: Vec<_> = FIELDS
            .into_iter()
            .chain(added)
            .filter(|(of, ..)| *of == on)
            .collect();
        for _ in 0..self.random.random_range(1..=4) {
            let directive = [
                "",
                "",
                "",
                "",
                " @include(if: $yes)",
                " @skip(if: $yes)",
                " @include(if: $no)",
                " @skip(if: true)",
            ]
            .choose(self.random)
            .unwrap();
            let item = match self.random.random_range(0..10) {
                0 => "__typename".to_owned(),
                1 if depth < 4
                    && ["Video", "Channel", "StorageDataObject", "VideoEdge"].contains(&on) =>
                {
                    format!("...F{on}{directive}")
                }
                2 if depth < 6 => format!("...{directive} {}", self.selections(on, depth + 1)),
                3 if depth < 6 => {
                    format!("... on {on}{directive} {}", self.selections(on, depth + 1))
                }
                _ if on == "SearchResult" => {
                    let one = *["Video", "Channel", "SearchResult"]
                        .choose(self.random)
                        .unwrap();
                    if depth >= 6 {
                        "__typename".into()
                    } else {
                        format!(
                            "... on {one}{directive} {}",
                            self.selections(one, depth + 1)
                        )
                    }
                }
                _ => {
                    let field = fields.choose(self.random).copied();
                    self.field(field, directive, depth)
                }
            };
            items.push(item);
        }
        format!("{{ {} }}", items.join(" "))
    }

    fn field(
        &mut self,
        field: Option<(&str, &str, &str)>,
        directive: &str,
        depth: usize,
    ) -> String {
        let Some((_, name, of)) = field else {
            return "__typename".into();
        };
        let is_leaf = matches!(of, "String" | "Int");
        if !is_leaf && depth >= 6 {
            return "__typename".into();
        }
        // An alias that follows from the name never stands for two fields.
        let alias = if self.random.random_bool(0.3) {
            format!("x_{name}: ")
        } else {
            String::new()
        };
        let inner = if is_leaf {
            String::new()
        } else {
            self.selections(of, depth + 1)
        };
        format!("{alias}{name}{directive} {inner}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Splitting and merging give what one server that knows everything would give.
    #[test]
    fn gateway_and_indexer_together_answer_like_one(seed: u64) {
        let text = Author { random: &mut StdRng::seed_from_u64(seed) }.document();
        let schema = schema();
        let document = Document::parse(&text, None, json!({"no": false}).as_object().unwrap().clone());
        prop_assume!(!matches!(document, Err(DocumentError::TooLarge)));
        let document = document.unwrap();
        let expected = answer(schema, &document, &[root(&document)], ROOT, true);
        let (got, _) = through_the_gateway(schema, &document);
        prop_assert_eq!(got, expected, "{}", text);
    }
}
