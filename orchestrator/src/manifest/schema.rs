//! The JSON schema of `Tender.toml`, for editors. Made of the tables that the reader checks
//! manifests by, so that both accept the same keys.
//!
//! Draft 4, which taplo and Even Better TOML read: https://taplo.tamasfe.dev/configuration/directives.html

use super::format::{Choice, Key, Literal, MANIFEST, Table, ValueKind};
use serde_json::{Map, Value, json};

/// The schema, as JSON.
pub fn json_schema() -> Value {
    let mut schema = table(&MANIFEST);
    let own = schema.as_object_mut().expect("a table is an object");
    own.insert("$schema".to_owned(), "http://json-schema.org/draft-04/schema#".into());
    own.insert("title".to_owned(), "Tender.toml".into());
    schema
}

fn table(format: &Table) -> Value {
    let properties: Map<String, Value> =
        format.keys().map(|(key, inherits)| (key.name.to_owned(), value(key, inherits))).collect();
    let required: Vec<&str> = format.required.iter().map(|(key, _)| *key).collect();
    let mut table = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    // Draft 4 wants at least one.
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

fn value(key: &Key, inherits: bool) -> Value {
    let own = kind(&key.kind);
    let mut value = match inherits {
        false => own,
        true => json!({ "anyOf": [own, {
            "type": "object",
            "properties": { "workspace": { "enum": [true] } },
            "required": ["workspace"],
            "additionalProperties": false,
        }] }),
    };
    value["description"] = key.about.into();
    value
}

fn kind(kind: &ValueKind) -> Value {
    match kind {
        ValueKind::Text(_) => json!({ "type": "string" }),
        ValueKind::Texts(_) | ValueKind::Flags { .. } => {
            json!({ "type": "array", "items": { "type": "string" } })
        }
        ValueKind::TextOrTexts(_) => json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ] }),
        ValueKind::TextsByName(_) => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        ValueKind::ListsByName { .. } => json!({
            "type": "object",
            "additionalProperties": { "type": "array", "items": { "type": "string" } },
        }),
        ValueKind::Switch => json!({ "type": "boolean" }),
        ValueKind::Count(max) => json!({ "type": "integer", "minimum": 1, "maximum": max }),
        ValueKind::OneOf(choice) => one_of(choice),
        ValueKind::ManyOf(choice) => json!({ "type": "array", "items": one_of(choice) }),
        ValueKind::Memory | ValueKind::Jobs => json!({ "type": ["string", "integer"] }),
        ValueKind::Table(format) => table(format),
        ValueKind::Tables(format) => json!({ "type": "array", "items": table(format) }),
        ValueKind::OneOrMore(format) => {
            let one = table(format);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        ValueKind::Values(_) => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "integer", "boolean"] },
        }),
        ValueKind::Named { each, .. } => {
            json!({ "type": "object", "additionalProperties": table(each) })
        }
        ValueKind::Free => json!({}),
    }
}

fn one_of(choice: &Choice) -> Value {
    let values: Vec<Value> = choice
        .values
        .iter()
        .map(|literal| match literal {
            Literal::Text(text) => json!(text),
            Literal::Integer(number) => json!(number),
            Literal::Switch(on) => json!(on),
        })
        .collect();
    json!({ "enum": values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_has_the_keys_of_each_table() {
        let schema = json_schema();
        let of = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        assert_eq!(of("/additionalProperties"), &json!(false));
        assert_eq!(of("/properties/package/required"), &json!(["name"]));
        assert_eq!(
            of("/properties/package/properties/c-std/anyOf/0"),
            &json!({ "type": "string" })
        );
        assert!(of("/properties/package/properties/metadata").get("type").is_none());
        assert_eq!(
            of("/properties/profile/additionalProperties/properties/lto/enum"),
            &json!(["off", "thin-local", "thin", "fat"])
        );
        let generate = "/properties/generate/items/properties";
        assert_eq!(of(&format!("{generate}/for-each/anyOf/0/type")), &json!("string"));
        assert_eq!(of(&format!("{generate}/for-each/anyOf/1/items/type")), &json!("string"));
        assert_eq!(of(&format!("{generate}/env/additionalProperties/type")), &json!("string"));
        assert_eq!(of("/properties/bin/items/properties/sources/items/type"), &json!("string"));
    }
}
