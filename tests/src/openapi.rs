//! The description of an agent's API, and whether an answer is as it says.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Words of a schema that say nothing about what fits, and `pattern`, which binds what is sent to an agent and
/// not what it answers.
const REMARKS: [&str; 7] = [
    "description",
    "format",
    "example",
    "examples",
    "title",
    "default",
    "pattern",
];

/// A description, as an agent serves it.
#[derive(Debug)]
pub struct Description(Value);

/// Operation: one method of one path.
#[derive(Debug)]
pub struct Operation<'a> {
    /// The path, with its parameters in braces.
    pub path: &'a str,
    /// The method, in upper case.
    pub method: String,
    /// Description of the operation.
    pub said: &'a Value,
}

impl Description {
    /// Takes a document.
    #[must_use]
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    /// All operations.
    ///
    /// # Errors
    ///
    /// Where the document has no paths.
    pub fn operations(&self) -> Result<Vec<Operation<'_>>> {
        let paths = self.0.get("paths").and_then(Value::as_object);
        let paths = paths.context("it has no paths")?;
        let mut all = Vec::new();
        for (path, item) in paths {
            for (method, said) in item.as_object().context("a path has no methods")? {
                let method = method.to_uppercase();
                all.push(Operation { path, method, said });
            }
        }
        Ok(all)
    }

    /// Checks that an answer is described.
    ///
    /// # Errors
    ///
    /// Names the part that is not described or does not fit.
    pub fn check(
        &self,
        operation: &Operation<'_>,
        status: u16,
        content_type: &str,
        body: &Value,
    ) -> Result<()> {
        let response = operation
            .said
            .get("responses")
            .and_then(|responses| responses.get(status.to_string()))
            .with_context(|| format!("status {status} is not described"))?;
        let Some(content) = response.get("content") else {
            ensure!(body.is_null(), "a body that is not described: {body}");
            return Ok(());
        };
        let content = content
            .get(content_type)
            .with_context(|| format!("media type {content_type:?} is not described"))?;
        let schema = content.get("schema").context("no schema")?;
        self.fits(schema, body, "body")
    }

    /// Checks that a value fits a schema. An unknown keyword is an error: none is ignored.
    ///
    /// # Errors
    ///
    /// Names the value that does not fit, and its place.
    pub fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<()> {
        let words = schema.as_object().context("a schema that is no object")?;
        for (word, said) in words {
            match word.as_str() {
                remark if REMARKS.contains(&remark) => {}
                "additionalProperties" | "properties" => {}
                "$ref" => {
                    let pointer = said.as_str().and_then(|text| text.strip_prefix('#'));
                    let schema = pointer.and_then(|pointer| self.0.pointer(pointer));
                    self.fits(
                        schema.with_context(|| format!("{said} is nowhere"))?,
                        value,
                        at,
                    )?;
                }
                "allOf" => {
                    for schema in list(said)? {
                        self.fits(schema, value, at)?;
                    }
                }
                "oneOf" => {
                    let fitting = list(said)?.iter();
                    let fitting = fitting.filter(|schema| self.fits(schema, value, at).is_ok());
                    let count = fitting.count();
                    ensure!(count == 1, "{at}: {value} fits {count} of {said}");
                }
                "type" => ensure!(is_of(said, value), "{at}: {value} is not of type {said}"),
                "enum" => ensure!(
                    list(said)?.contains(value),
                    "{at}: {value} is none of {said}"
                ),
                "required" => {
                    for name in list(said)? {
                        let name = name.as_str().context("a name that is no text")?;
                        ensure!(value.get(name).is_some(), "{at}: no {name:?} in {value}");
                    }
                }
                "items" => {
                    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.fits(said, item, &format!("{at}[{place}]"))?;
                    }
                }
                "propertyNames" => {
                    for name in value
                        .as_object()
                        .into_iter()
                        .flat_map(|object| object.keys())
                    {
                        self.fits(said, &Value::from(name.as_str()), at)?;
                    }
                }
                "minimum" | "maximum" => bounded(word, said, value, at)?,
                "minLength" | "maxLength" | "minItems" | "maxItems" => {
                    let length = value.as_str().map(|text| text.chars().count());
                    let length = length.or_else(|| value.as_array().map(Vec::len));
                    let limit = said.as_u64().context("a bound that is no number")?;
                    let Some(length) = length else { continue };
                    let length = u64::try_from(length)?;
                    let holds = if word.starts_with("min") {
                        length >= limit
                    } else {
                        length <= limit
                    };
                    ensure!(holds, "{at}: {word} is {limit}, there are {length}");
                }
                unknown => bail!("{at}: {unknown:?} is not known to this check"),
            }
        }
        self.properties(schema, value, at)
    }

    fn properties(&self, schema: &Value, value: &Value, at: &str) -> Result<()> {
        let said = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, value) in value.as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            match (said.and_then(|said| said.get(name)), others) {
                (Some(schema), _) => self.fits(schema, value, &at)?,
                (None, None | Some(Value::Bool(true))) => {}
                (None, Some(Value::Bool(false))) => bail!("{at} is not described"),
                (None, Some(schema)) => self.fits(schema, value, &at)?,
            }
        }
        Ok(())
    }

    /// The methods of a path that are described, with HEAD where there is GET.
    ///
    /// # Errors
    ///
    /// Where the document has no paths.
    pub fn methods(&self, path: &str) -> Result<BTreeSet<String>> {
        let mut methods: BTreeSet<_> = self
            .operations()?
            .into_iter()
            .filter(|operation| operation.path == path)
            .map(|operation| operation.method)
            .collect();
        if methods.contains("GET") {
            methods.insert("HEAD".to_string());
        }
        Ok(methods)
    }
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("no list where one must be")
}

fn is_of(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    };
    types
        .as_array()
        .map_or_else(|| is(types), |types| types.iter().any(is))
}

fn bounded(word: &str, limit: &Value, value: &Value, at: &str) -> Result<()> {
    let Some(number) = whole(value) else {
        return Ok(());
    };
    let limit = whole(limit).context("a bound that is no whole number")?;
    let holds = if word == "minimum" {
        number >= limit
    } else {
        number <= limit
    };
    ensure!(holds, "{at}: {word} is {limit}, there is {number}");
    Ok(())
}

fn whole(value: &Value) -> Option<i128> {
    value
        .as_u64()
        .map(i128::from)
        .or_else(|| value.as_i64().map(i128::from))
}
