//! `[http]`.

use ringpost::settings::{
    Area, Http, HttpClient, HttpLimits, HttpListen, HttpScheme, Listen, PublicUrl, Transport,
};

use super::{Claims, mail::password_file, raw::Raw, section::Section, sip};

/// Reads `[http]`; `None` after a problem. `taken`: who listens where.
pub fn http(
    mut section: Section<'_>,
    taken: &mut Vec<(Listen, String)>,
    claims: &mut Claims,
) -> Option<Http> {
    let plain = section.required("plain", Raw::flag);
    let listen = section.list("listen", |raw| listener(raw, plain.unwrap_or(true), taken));
    let url = section.optional("url", public_url);
    let proxies = section.list("proxies", sip::network);
    let schemes = section.at_least_one("schemes", scheme);
    let clients = section.tables("client").into_iter().filter_map(|one| client(one, claims)).collect();
    let connections = section.required("max_connections", |raw| raw.count(1..=100_000));
    let per_source = section.required("connections_per_source", |raw| raw.count(1..=100_000));
    let request = section.required("request_timeout", Raw::duration);
    let stall = section.required("stall_timeout", Raw::duration);
    let answer = section.required("answer_timeout", Raw::duration);
    let header = section.required("max_header", |raw| raw.size(8 << 10..=1 << 20));
    let body = section.required("max_body", |raw| raw.size(1 << 10..=16 << 20));
    section.end();
    let limits = HttpLimits {
        connections: usize::try_from(connections?).ok()?,
        per_source: usize::try_from(per_source?).ok()?,
        request: request?,
        stall: stall?,
        answer: answer?,
        header: header?,
        body: body?,
    };
    plain?;
    Some(Http { listen, url, proxies, schemes, clients, limits })
}

fn listener(raw: &Raw<'_>, plain: bool, taken: &mut Vec<(Listen, String)>) -> Result<HttpListen, String> {
    const WANTED: &str = "wants \"https:ADDRESS:PORT\" or \"http:ADDRESS:PORT\"";
    let text = raw.text()?;
    let (secure, place) = match text.split_once(':') {
        Some(("https", place)) => (true, place),
        Some(("http", place)) => (false, place),
        Some(_) | None => return Err(format!("{WANTED}, not {text:?}")),
    };
    let address: std::net::SocketAddr =
        place.parse().map_err(|_| format!("{WANTED} (IPv6 in brackets, port 1 to 65535), not {text:?}"))?;
    if address.port() == 0 {
        return Err("port 0 is no port: readers have to know where Ringpost listens".to_owned());
    }
    if !secure && !plain && !address.ip().to_canonical().is_loopback() {
        return Err(
            "would take passwords in the open: wants https, an address of this machine only, or plain = true"
                .to_owned(),
        );
    }
    sip::claim(raw, Listen { transport: Transport::Tcp, address }, taken)?;
    Ok(HttpListen { secure, address })
}

fn public_url(raw: &Raw<'_>) -> Result<PublicUrl, String> {
    const WANTED: &str = "wants a URL such as \"https://phones.example.com/ringpost\"";
    let url = url::Url::parse(raw.text()?).map_err(|_| WANTED.to_owned())?;
    let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "https" | "http") || !bare || url.password().is_some() {
        return Err(format!("{WANTED}, without anything behind the path"));
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    Ok(PublicUrl { base, prefix: url.path().trim_end_matches('/').to_owned() })
}

fn scheme(raw: &Raw<'_>) -> Result<HttpScheme, String> {
    match raw.text()? {
        "digest" => Ok(HttpScheme::Digest),
        "basic" => Ok(HttpScheme::Basic),
        other => Err(format!("wants \"digest\" or \"basic\", not {other:?}")),
    }
}

fn client(mut section: Section<'_>, claims: &mut Claims) -> Option<HttpClient> {
    let name = section.required("name", |raw| match raw.text()? {
        text if text.contains(['"', '\\', ':']) => {
            Err("must not hold a quote, a backslash or a colon".to_owned())
        }
        text => claims.claim(raw, format!("auth_name {text}")).map(|()| text.to_owned()),
    });
    let password = section.required("password_file", password_file);
    let may = section.at_least_one("may", |raw| {
        let text = raw.text()?;
        let known = || Area::ALL.map(|area| format!("{:?}", area.name())).join(" or ");
        Area::ALL.into_iter().find(|area| area.name() == text).ok_or_else(|| format!("wants {}", known()))
    });
    section.end();
    Some(HttpClient { name: name?, password: password?, may })
}
