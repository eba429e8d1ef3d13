//! A webhook: OPTIONS without its token and without the query of its URL, which does nothing anywhere.

use std::rc::Rc;

use reqwest::Method;
use ringpost::{doctor::advice, settings::Webhook};
use url::Url;

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    peer::{Service, Trust},
};
use crate::channel::http::{Http, ask};

pub fn chain(ward: &Rc<Ward>, channel: &str, settings: &Webhook) -> Chain {
    let step = format!("channel.{channel}");
    let key = format!("url of channel {channel}");
    let service = Service::of(&settings.url, key);
    let secure = service.as_ref().is_some_and(|(_, secure)| *secure);
    let mut steps = vec![format!("{step}.dns")];
    steps.extend(secure.then(|| format!("{step}.certificate")));
    steps.push(format!("{step}.alive"));
    let (ward, settings) = (Rc::clone(ward), settings.clone());
    Chain::new(steps, move |sheet| async move {
        let (service, _) = service?;
        let at = service.resolves(&sheet).await?;
        if secure {
            service.shows(&sheet, &at, &Trust::Only(settings.ca.clone()), &ward.site.tls).await?;
        }
        alive(&sheet, &ward, &service, &settings).await
    })
}

async fn alive(sheet: &Sheet, ward: &Ward, service: &Service, settings: &Webhook) -> End {
    let mut url = Url::parse(&settings.url).ok()?;
    url.set_query(None);
    let http = match Http::new(settings.ca.as_deref()) {
        Ok(http) => http,
        Err(error) => return sheet.failed(&error.to_string(), advice::no_connection(&service.key)),
    };
    let asked = ask(http.client().request(Method::OPTIONS, url), ward.timeout * 4 / 5).await;
    let status = match asked {
        Ok(answer) => answer.status.as_u16(),
        Err(error) => return sheet.failed(&format!("it {error}"), advice::no_connection(&service.key)),
    };
    let said = format!("it answers OPTIONS with {status}");
    match status {
        404 | 410 => {
            sheet.warns(
                &said,
                format!(
                    "See whether the path in the {} is right; some programs know only POST.",
                    service.key
                ),
            );
        }
        500..=599 => sheet
            .warns(&said, "See what its own log says; notices are tried again until it is well.".to_owned()),
        300..=399 => {
            let remedy = format!(
                "Put the place that it leads to into the {}: redirects are not followed.",
                service.key
            );
            sheet.warns(&said, remedy);
        }
        _ => sheet.ok(&said),
    }
    Some(())
}
