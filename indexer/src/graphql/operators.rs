//! `field_operator: value` as a test of a column.

use async_graphql::{Error, Value as Input};

use super::{
    errors::bad_input,
    inputs::{items, text_of},
};
use crate::{
    schema::{Kind, Scalar, Value, value::parse_time},
    store::filter::{Comparison, Place, Quantifier, Test},
};

/// The test that an operator asks for; `None` asks for nothing.
pub fn test(kind: &Kind, operator: &str, value: &Input) -> Result<Option<Test>, Error> {
    let one = || operand(kind, value);
    let compare = |comparison| Ok(Some(Test::Compare(comparison, one()?)));
    let many = || {
        items(value)
            .iter()
            .map(|item| operand(kind, item))
            .collect::<Result<Vec<_>, _>>()
    };
    let list = |quantifier| {
        let texts = items(value)
            .iter()
            .filter_map(text_of)
            .map(str::to_owned)
            .collect();
        Ok(Some(Test::List { quantifier, texts }))
    };
    match operator {
        "isNull" => Ok(match value {
            Input::Boolean(is_null) => Some(Test::IsNull(*is_null)),
            _ => None,
        }),
        "eq" => compare(Comparison::Equal),
        "not_eq" => compare(Comparison::NotEqual),
        "gt" => compare(Comparison::Greater),
        "gte" => compare(Comparison::GreaterOrEqual),
        "lt" => compare(Comparison::Less),
        "lte" => compare(Comparison::LessOrEqual),
        "in" => Ok(Some(Test::In(many()?))),
        "not_in" => {
            let values = many()?;
            Ok((!values.is_empty()).then_some(Test::NotIn(values)))
        }
        "containsAll" => list(Quantifier::Every),
        "containsAny" => list(Quantifier::Some),
        "containsNone" => list(Quantifier::None),
        _ => text_test(operator, value),
    }
}

fn text_test(operator: &str, value: &Input) -> Result<Option<Test>, Error> {
    let (negated, operator_left) = match operator.strip_prefix("not_") {
        Some(rest) => (true, rest),
        None => (false, operator),
    };
    let (place, ignore_case) = match operator_left {
        "contains" => (Place::Anywhere, false),
        "containsInsensitive" => (Place::Anywhere, true),
        "startsWith" => (Place::Start, false),
        "endsWith" => (Place::End, false),
        _ => return Err(bad_input(format!("'{operator}' is not an operator"))),
    };
    Ok(Some(match text_of(value) {
        Some(text) => Test::Text {
            place,
            ignore_case,
            negated,
            text: text.to_owned(),
        },
        None => Test::Compare(Comparison::Equal, Value::Null),
    }))
}

/// A value as the column holds it.
fn operand(kind: &Kind, value: &Input) -> Result<Value, Error> {
    let refuse = |what: &str| bad_input(format!("{value} is not {what}"));
    if *value == Input::Null {
        return Ok(Value::Null);
    }
    Ok(match kind {
        Kind::Scalar(Scalar::String) | Kind::Enum(_) => {
            text_of(value).ok_or_else(|| refuse("a text"))?.into()
        }
        Kind::Scalar(Scalar::Int) => match value {
            Input::Number(number) => number
                .as_i64()
                .ok_or_else(|| refuse("a whole number"))?
                .into(),
            _ => return Err(refuse("a whole number")),
        },
        Kind::Scalar(Scalar::BigInt) => {
            let digits = match value {
                Input::Number(number) => number.to_string(),
                other => text_of(other).unwrap_or_default().to_owned(),
            };
            Value::Big(
                digits
                    .parse()
                    .map_err(|_| refuse("a whole number that is not negative"))?,
            )
        }
        Kind::Scalar(Scalar::Float) => match value {
            Input::Number(number) => number.as_f64().ok_or_else(|| refuse("a number"))?.into(),
            _ => return Err(refuse("a number")),
        },
        Kind::Scalar(Scalar::Boolean) => match value {
            Input::Boolean(value) => (*value).into(),
            _ => return Err(refuse("true or false")),
        },
        Kind::Scalar(Scalar::DateTime) => Value::Time(
            text_of(value)
                .and_then(parse_time)
                .ok_or_else(|| refuse("a moment as in 2022-01-01T00:00:00Z"))?,
        ),
        _ => return Err(refuse("a value of a condition")),
    })
}
