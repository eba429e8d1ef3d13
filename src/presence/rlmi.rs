//! Resource lists: the RLMI document and its parts (RFC 4662), and the list that a SUBSCRIBE brings (RFC 5367).

use super::pidf::add;
use crate::xml::{Element, XmlError, element, elements, escaped};

/// The media type of the root.
pub const TYPE: &str = "application/rlmi+xml";
/// The media type of a list that a SUBSCRIBE brings.
pub const LIST: &str = "application/resource-lists+xml";

/// One resource of a list, as a NOTIFY tells it.
#[derive(Clone, Debug)]
pub struct Resource<'a> {
    /// Its URI.
    pub uri: &'a str,
    /// What it is called.
    pub name: Option<&'a str>,
    /// Its state.
    pub instance: Instance<'a>,
}

/// The state of a resource's one instance.
#[derive(Clone, Debug)]
pub enum Instance<'a> {
    /// Active: media type and body.
    Active(&'a str, &'a [u8]),
    /// Active, nothing known yet.
    Empty,
    /// Over, and why (RFC 6665 §4.1.3): `noresource`, `rejected`.
    Terminated(&'a str),
}

/// The value of Content-Type and the body of a NOTIFY about a list.
///
/// `boundary` must not stand in any of the bodies. `full`: whether all resources are there.
pub fn write(
    list: &str,
    (version, full): (u32, bool),
    resources: &[Resource<'_>],
    boundary: &str,
) -> (String, Vec<u8>) {
    let mut root = String::with_capacity(256);
    root.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<list xmlns=\"urn:ietf:params:xml:ns:rlmi\"",
    );
    add(&mut root, format_args!(" uri=\"{}\" version=\"{version}\" fullState=\"{full}\">", escaped(list)));
    for (at, resource) in resources.iter().enumerate() {
        add(&mut root, format_args!("<resource uri=\"{}\">", escaped(resource.uri)));
        if let Some(name) = resource.name {
            element(&mut root, "name", name);
        }
        match &resource.instance {
            Instance::Active(..) => {
                add(&mut root, format_args!("<instance id=\"1\" state=\"active\" cid=\"{at}.{boundary}\"/>"));
            }
            Instance::Empty => root.push_str("<instance id=\"1\" state=\"active\"/>"),
            Instance::Terminated(reason) => {
                add(&mut root, format_args!("<instance id=\"1\" state=\"terminated\" reason=\"{reason}\"/>"));
            }
        }
        root.push_str("</resource>");
    }
    root.push_str("</list>\r\n");
    let mut body = Vec::with_capacity(root.len() + resources.len() * 1_024);
    part(&mut body, boundary, (&format!("root.{boundary}"), TYPE), root.as_bytes());
    for (at, resource) in resources.iter().enumerate() {
        if let Instance::Active(kind, document) = &resource.instance {
            part(&mut body, boundary, (&format!("{at}.{boundary}"), kind), document);
        }
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind =
        format!("multipart/related;type=\"{TYPE}\";start=\"<root.{boundary}>\";boundary=\"{boundary}\"");
    (kind, body)
}

fn part(body: &mut Vec<u8>, boundary: &str, (id, kind): (&str, &str), document: &[u8]) {
    let head = format!(
        "--{boundary}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{id}>\r\nContent-Type: {kind};charset=\"UTF-8\"\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(document);
    if !document.ends_with(b"\r\n") {
        body.extend_from_slice(b"\r\n");
    }
}

/// The URIs of a list that a SUBSCRIBE brings, nested lists included, each once, at most `most`.
///
/// # Errors
/// It is no XML, too large, or has entities of its own; or it is another document.
pub fn read(document: &[u8], most: usize) -> Result<Vec<String>, XmlError> {
    let all = elements(document)?;
    all.first().filter(|root| root.name == "resource-lists").ok_or(XmlError::NotXml)?;
    let entry = |one: &Element| {
        let uri = one.attribute("uri").map(str::trim).filter(|uri| !uri.is_empty())?;
        (one.name == "entry").then(|| uri.to_owned())
    };
    let mut uris = vec![];
    for uri in all.iter().filter_map(entry) {
        if uris.contains(&uri) {
            continue;
        }
        if uris.len() >= most {
            return Err(XmlError::TooLarge);
        }
        uris.push(uri);
    }
    Ok(uris)
}
