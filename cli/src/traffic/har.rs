//! HTTP archives (HAR 1.2), as browsers and proxies save them: one JSON document, read entry by entry.
//!
//! An archive does not say where its requests came from. Browsers leave out cookies and tokens unless told otherwise.

use super::{time, Each, Exchange};
use anyhow::{anyhow, Context, Result};
use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::Deserialize;
use std::fmt;
use std::io::BufRead;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: Option<String>,
    request: Request,
    #[serde(default)]
    response: Response,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Field>,
    post_data: Option<Posted>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    status: i64,
    headers: Vec<Field>,
    content: Content,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct Posted {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    size: i64,
    text: Option<String>,
    encoding: Option<String>,
}

pub(super) fn read(reader: impl BufRead, each: &mut Each<'_>) -> Result<u64> {
    let mut stopped = None;
    let mut broken = 0;
    let mut take = |entry: Option<Entry>| match entry.and_then(exchange) {
        Some(exchange) => each(exchange).map_err(|error| stopped = Some(error)).is_ok(),
        None => {
            broken += 1;
            true
        }
    };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let read = Level { name: "log", inner: &mut Level { name: "entries", inner: &mut Entries(&mut take) } };
    let read = read.deserialize(&mut json);
    match (stopped, read) {
        (Some(error), _) => Err(error),
        (None, read) => read.map(|()| broken).context("is no HTTP archive"),
    }
}

fn exchange(entry: Entry) -> Option<Exchange> {
    let Entry { started_date_time, request, response } = entry;
    let (scheme, rest) = request.url.split_once("://")?;
    let rest = rest.split('#').next().unwrap_or_default();
    let path_start = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_start);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let body = request.post_data.map(|posted| posted.text.into_bytes()).unwrap_or_default();
    let Content { size, text, encoding } = response.content;
    let answer = text.map(|text| match encoding.as_deref() {
        Some("base64") => BASE64_STANDARD.decode(&text).unwrap_or_default(),
        _ => text.into_bytes(),
    });
    // The content of an archive is decoded, whatever the fields say of what was sent.
    let sent = |name: &str| !["content-encoding", "content-length", "transfer-encoding"].contains(&name);
    let answer_fields = fields(response.headers).into_iter().filter(|(name, _)| sent(name)).collect();
    let mut exchange = Exchange {
        at: started_date_time.as_deref().and_then(time),
        fields: fields(request.headers),
        lacks_body: false,
        has_fields: true,
        status: u16::try_from(response.status).ok().filter(|status| *status > 0),
        answer_fields,
        answer_bytes: u64::try_from(size).unwrap_or_default(),
        answer,
        body,
        ..Exchange::default()
    };
    exchange.head(&request.method, scheme, authority, &path);
    Some(exchange)
}

fn fields(fields: Vec<Field>) -> Vec<(String, Vec<u8>)> {
    let lower = |field: Field| (field.name.to_ascii_lowercase(), field.value.into_bytes());
    fields.into_iter().map(lower).filter(|(name, _)| !name.starts_with(':')).collect()
}

/// What is done with a part of the document.
trait Inner {
    fn read<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;
}

/// An object of which one member is looked into.
struct Level<'a, I> {
    name: &'static str,
    inner: &'a mut I,
}

impl<'de, I: Inner> DeserializeSeed<'de> for Level<'_, I> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<I: Inner> Inner for Level<'_, I> {
    fn read<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(Level { name: self.name, inner: self.inner })
    }
}

impl<'de, I: Inner> Visitor<'de> for Level<'_, I> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with `{}`", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = members.next_key::<String>()? {
            if name == self.name {
                found = true;
                members.next_value_seed(Part(self.inner))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        found.then_some(()).ok_or_else(|| A::Error::custom(anyhow!("there is no `{}`", self.name)))
    }
}

struct Part<'a, I>(&'a mut I);

impl<'de, I: Inner> DeserializeSeed<'de> for Part<'_, I> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.read(deserializer)
    }
}

/// The list of entries. One that is of another form is told as none.
struct Entries<'a, F>(&'a mut F);

impl<F: FnMut(Option<Entry>) -> bool> Inner for Entries<'_, F> {
    fn read<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(Entries(self.0))
    }
}

impl<'de, F: FnMut(Option<Entry>) -> bool> Visitor<'de> for Entries<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<serde_json::Value>()? {
            if !(self.0)(serde_json::from_value(item).ok()) {
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
