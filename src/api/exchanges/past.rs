//! What an export reads, page by page, and as which records it writes it: the items of a table as they were at a moment, or
//! what changed between two.

use serde::Serialize;

use super::export::{Export, Incremental};
use super::filter::Filter;
use super::ion;
use crate::api::json;
use crate::error::Error;
use crate::item::{AttributeValue, Item, Number};
use crate::store::{NetChange, Store};

/// Items that a step reads, and bytes of them.
const ITEMS: usize = 500;
const BYTES: usize = 1_000_000;

/// A page of records as they are written.
#[derive(Default)]
pub struct Page {
    pub text: String,
    /// How many they are.
    pub items: u64,
    /// The size of what was read for them.
    pub bytes: u64,
    /// Where the next page begins, if there is one.
    pub next: Option<Vec<u8>>,
}

/// The next page of an export.
pub async fn page(store: &Store, export: &Export, filter: Option<&Filter>) -> Result<Page, Error> {
    let cursor = export.place.cursor.as_deref();
    let mut page = Page::default();
    match &export.incremental {
        None => {
            let found = store.items_as_of(&export.as_of, cursor, ITEMS, BYTES).await?;
            page.next = found.next;
            for item in found.items {
                page.bytes += item.size() as u64;
                let item = match filter {
                    None => item,
                    Some(filter) => match filter.apply(item) {
                        Some(item) => item,
                        None => continue,
                    },
                };
                page.write(export, &Row { item: &item }, |text| {
                    text.push_str("{Item:");
                    ion::write_item(text, &item);
                    text.push('}');
                })?;
            }
        }
        Some(incremental) => {
            let between = (&incremental.from, &export.as_of);
            let found = store.changes_between(between, cursor, ITEMS, BYTES).await?;
            page.next = found.next;
            for change in found.changes {
                page.bytes +=
                    [&change.old, &change.new].into_iter().flatten().map(|image| image.size() as u64).sum::<u64>();
                if let Some(record) = ChangeRecord::of(change, incremental, filter) {
                    page.write(export, &record, |text| record.write_ion(text))?;
                }
            }
        }
    }
    Ok(page)
}

impl Page {
    fn write<T: Serialize>(
        &mut self,
        export: &Export,
        record: &T,
        write_ion: impl FnOnce(&mut String),
    ) -> Result<(), Error> {
        if export.format == "ION" {
            self.text.push_str(ion::VERSION);
            write_ion(&mut self.text);
        } else {
            let line = json::encode(record)?;
            let line = std::str::from_utf8(&line).map_err(|error| Error::InternalServerError(error.to_string()))?;
            self.text.push_str(line);
        }
        self.text.push('\n');
        self.items += 1;
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    item: &'a Item,
}

/// A record of an incremental export. Source: Amazon DynamoDB Developer Guide, "DynamoDB table export output format".
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeRecord {
    metadata: Item,
    keys: Item,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_image: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<Item>,
}

impl ChangeRecord {
    /// None of an item that came and went. Of a filter it is enough that one of the images is taken.
    fn of(change: NetChange, incremental: &Incremental, filter: Option<&Filter>) -> Option<Self> {
        let NetChange { keys, mut old, mut new, at } = change;
        if let Some(filter) = filter {
            (old, new) = (old.and_then(|item| filter.apply(item)), new.and_then(|item| filter.apply(item)));
        }
        if old.is_none() && new.is_none() {
            return None;
        }
        let micros = Number::from(at.millis().saturating_mul(1_000));
        let metadata = std::iter::once(("WriteTimestampMicros".into(), AttributeValue::N(micros))).collect();
        let old_image = old.filter(|_| incremental.shows_old());
        Some(Self { metadata, keys, old_image, new_image: new })
    }

    fn write_ion(&self, text: &mut String) {
        text.push_str("{Record:{Keys:");
        ion::write_item(text, &self.keys);
        text.push_str(",Metadata:");
        ion::write_item(text, &self.metadata);
        for (name, image) in [(",OldImage:", &self.old_image), (",NewImage:", &self.new_image)] {
            if let Some(image) = image {
                text.push_str(name);
                ion::write_item(text, image);
            }
        }
        text.push_str("}}");
    }
}
