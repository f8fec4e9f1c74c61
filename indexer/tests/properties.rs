//! Random filters over random rows: the database selects what a plain reading of the filter selects.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::open;
use indexer::{
    schema::Value,
    store::{
        change::{Change, Fields},
        filter::{Comparison, Filter, Place, Quantifier, Test},
        sql::Select,
    },
};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use shared::{chain::BlockRef, ids::BlockHash};

/// A row of `Video` with what the filters look at: title, duration, language, and its media's size.
#[derive(Debug, Clone)]
struct Row {
    id: String,
    title: Option<&'static str>,
    duration: Option<i64>,
    media: Option<usize>,
}

/// Sizes of the media objects, by index.
const SIZES: [u64; 4] = [0, 9, 10, 5_000_000_000];
const TITLES: [&str; 6] = ["", "a", "B", "ab", "aB%", "_"];

fn texts() -> impl Strategy<Value = &'static str> {
    select(TITLES.as_slice())
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::option::of(texts()),
        prop::option::of(-2i64..3),
        prop::option::of(0..SIZES.len()),
    );
    prop::collection::vec(row, 1..12).prop_map(|rows| {
        let numbered = rows.into_iter().enumerate();
        numbered
            .map(|(id, (title, duration, media))| Row {
                id: id.to_string(),
                title,
                duration,
                media,
            })
            .collect()
    })
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    select(vec![
        Equal,
        NotEqual,
        Less,
        LessOrEqual,
        Greater,
        GreaterOrEqual,
    ])
}

fn text_test() -> impl Strategy<Value = Test> {
    let place = select(vec![Place::Anywhere, Place::Start, Place::End]);
    let looks = (place, any::<bool>(), any::<bool>(), texts()).prop_map(
        |(place, ignore_case, negated, text)| Test::Text {
            place,
            ignore_case,
            negated,
            text: text.into(),
        },
    );
    prop_oneof![
        looks,
        scalar_test(prop::option::of(texts()).prop_map(Value::from).boxed())
    ]
}

fn scalar_test(values: BoxedStrategy<Value>) -> impl Strategy<Value = Test> {
    prop_oneof![
        any::<bool>().prop_map(Test::IsNull),
        (comparison(), values.clone())
            .prop_map(|(comparison, value)| Test::Compare(comparison, value)),
        prop::collection::vec(values.clone(), 0..3).prop_map(Test::In),
        prop::collection::vec(values, 1..3).prop_map(Test::NotIn),
    ]
}

fn filters(media: indexer::schema::EntityId) -> impl Strategy<Value = Filter> {
    let column = |path: &str, test: BoxedStrategy<Test>| {
        let path = path.to_owned();
        test.prop_map(move |test| Filter::Column {
            path: path.clone(),
            test,
        })
        .boxed()
    };
    let durations = prop::option::of(-2i64..3).prop_map(Value::from).boxed();
    let sizes = prop::option::of(select(SIZES.as_slice()))
        .prop_map(Value::from)
        .boxed();
    let leaf = prop_oneof![
        column("title", text_test().boxed()),
        column("duration", scalar_test(durations).boxed()),
        column("media", any::<bool>().prop_map(Test::IsNull).boxed()),
        column("size", scalar_test(sizes).boxed()).prop_map(move |filter| Filter::Target {
            path: "media".into(),
            entity: media,
            filter: Box::new(filter)
        }),
        select(vec![None, Some(true), Some(false)]).prop_map(Filter::Constant),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::All),
            prop::collection::vec(inner, 0..3).prop_map(Filter::Any),
        ]
    })
}

/// SQL's logic of three values.
fn passes(
    filter: &Filter,
    get: &dyn Fn(&str) -> Value,
    target: Option<&dyn Fn(&str) -> Value>,
) -> Option<bool> {
    match filter {
        Filter::All(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| passes(part, get, target)).collect();
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                (!parts.contains(&None)).then_some(true)
            }
        }
        Filter::Any(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| passes(part, get, target)).collect();
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                (!parts.contains(&None)).then_some(false)
            }
        }
        Filter::Constant(value) => *value,
        Filter::Column { path, test } => tested(&get(path), test),
        // EXISTS is never unknown.
        Filter::Target { filter, .. } => {
            Some(target.is_some_and(|target| passes(filter, target, None) == Some(true)))
        }
        Filter::Referrers { .. } => unreachable!("not generated"),
    }
}

fn order(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Big(left), Value::Big(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn tested(value: &Value, test: &Test) -> Option<bool> {
    let any_of = |values: &[Value]| {
        let equal: Vec<_> = values
            .iter()
            .map(|other| order(value, other).map(|order| order.is_eq()))
            .collect();
        if equal.contains(&Some(true)) {
            Some(true)
        } else if equal.contains(&None) {
            None
        } else {
            Some(false)
        }
    };
    match test {
        Test::IsNull(is_null) => Some(value.is_null() == *is_null),
        Test::Compare(comparison, other) => order(value, other).map(|order| match comparison {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }),
        Test::In(values) => any_of(values),
        Test::NotIn(values) => any_of(values).map(|found| !found),
        Test::Text {
            place,
            ignore_case,
            negated,
            text,
        } => {
            let case = |text: &str| {
                if *ignore_case {
                    text.to_lowercase()
                } else {
                    text.to_owned()
                }
            };
            let (value, text) = (case(value.as_text()?), case(text));
            let found = match place {
                Place::Anywhere => value.contains(&text),
                Place::Start => value.starts_with(&text),
                Place::End => value.ends_with(&text),
            };
            Some(found != *negated)
        }
        Test::List {
            quantifier: Quantifier::Some | Quantifier::None | Quantifier::Every,
            ..
        } => unreachable!("not generated"),
    }
}

#[test]
fn the_database_selects_what_the_filter_says() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = runtime.block_on(open(dir.path()));
    let video = store.model().entity_id("Video").unwrap();
    let media = store.model().entity_id("StorageDataObject").unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let cases = (rows(), prop::collection::vec(filters(media), 1..8));
    let outcome = runner.run(&cases, |(rows, filters)| {
        runtime.block_on(write(&store, &rows));
        for filter in filters {
            let select = Select {
                filter: Some(filter.clone()),
                ..Select::all(video, vec!["id".into()])
            };
            let found = runtime
                .block_on(async { store.snapshot().await.unwrap().rows(&select).await.unwrap() });
            let found: Vec<_> = found
                .into_iter()
                .map(|row| row[0].as_text().unwrap().to_owned())
                .collect();
            let mut expected: Vec<_> = rows
                .iter()
                .filter(|row| row_passes(&filter, row))
                .map(|row| row.id.clone())
                .collect();
            expected.sort();
            prop_assert_eq!(&found, &expected, "{:?}", filter);
            let count = runtime.block_on(async {
                store
                    .snapshot()
                    .await
                    .unwrap()
                    .count(video, Some(&filter))
                    .await
                    .unwrap()
            });
            prop_assert_eq!(count as usize, expected.len());
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn row_passes(filter: &Filter, row: &Row) -> bool {
    let get = |path: &str| match path {
        "title" => row.title.into(),
        "duration" => row.duration.into(),
        _ => row.media.map(|media| media.to_string()).into(),
    };
    let size = row.media.map(|media| SIZES[media]);
    let target = |_: &str| Value::from(size);
    passes(
        filter,
        &get,
        size.is_some().then_some(&target as &dyn Fn(&str) -> Value),
    ) == Some(true)
}

/// Replaces all rows.
async fn write(store: &indexer::store::Store, rows: &[Row]) {
    let mut writer = store.write().await.unwrap();
    for row in 0..12 {
        writer.apply(Change::delete("Video", row)).await.unwrap();
    }
    for (index, size) in SIZES.iter().enumerate() {
        let fields = Fields::new()
            .set("createdAt", Value::Time(0))
            .set("isAccepted", true)
            .set("size", *size)
            .set("storageBag", "static:council")
            .set("ipfsHash", "x")
            .set("stateBloatBond", 0u64);
        writer
            .apply(Change::put("StorageDataObject", index, fields))
            .await
            .unwrap();
    }
    for row in rows {
        let fields = Fields::new()
            .set("createdAt", Value::Time(0))
            .set("createdInBlock", 0u32)
            .set("channel", "1")
            .set("isCensored", false)
            .set("isExcluded", false)
            .set("isCommentSectionEnabled", true)
            .set("videoStateBloatBond", 0u64)
            .set("title", row.title)
            .set("duration", row.duration)
            .set("media", row.media.map(|media| media.to_string()));
        writer
            .apply(Change::put("Video", &row.id, fields))
            .await
            .unwrap();
    }
    writer
        .advance(
            BlockRef {
                number: 1,
                hash: BlockHash([1; 32]),
            },
            0,
        )
        .await
        .unwrap();
    writer.commit().await.unwrap();
}
