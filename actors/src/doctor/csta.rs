//! `[rcc.gateway.NAME]`: whether the PBX's gateway is there, lets us in, speaks CSTA, and tells of a telephone. Beside a Ringpost
//! that runs nobody else opens a dialog there: a gateway may end one for another.

use std::{rc::Rc, sync::Arc};

use ringpost::{
    doctor::advice,
    rcc::{self, DISPOSITION, MEDIA_TYPE, Request, Response},
    settings::RccGateway,
    sip::dialog::Dialog,
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    door::{Door, SECTION},
    sip::{Far, There, goes_there, way_there},
    talk::{Said, Talk},
};
use crate::port::errand::Errand;

/// What a gateway that does not speak CSTA may be helped by.
const NOT_CSTA: &str = "See that server names the PBX's CSTA gateway (uaCSTA, TR/87) and not its SIP trunk, and that edition is its own.";

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    ward.site.rcc.gateways.iter().map(|one| chain(ward, one)).collect()
}

fn chain(ward: &Rc<Ward>, settings: &RccGateway) -> Chain {
    let step = format!("gateway.{}", settings.name);
    let mut steps = way_there(&step, &settings.target);
    steps.extend(["csta", "user"].map(|word| format!("{step}.{word}")));
    let (ward, settings) = (Rc::clone(ward), Arc::new(settings.clone()));
    Chain::new(steps, move |sheet| async move {
        let far = Far {
            uri: settings.target.clone(),
            host: ward.site.sip.domain.clone(),
            key: format!("server of [rcc.gateway.{}]", settings.name),
            section: SECTION,
            may_be_silent: true,
        };
        let there = goes_there(&sheet, &ward, &far).await?;
        match ward.program.part(&format!("rcc gateway {}", settings.name)) {
            Some(Ok(())) => {
                sheet.ok("the Ringpost that runs has a dialog with it");
                sheet.ok("it tells the Ringpost that runs of every line");
                Some(())
            }
            Some(Err(why)) => sheet.failed(
                &format!("the Ringpost that runs says: {why}"),
                format!(
                    "Compare [rcc.gateway.{}] with the PBX; with Ringpost stopped the doctor tells more.",
                    settings.name
                ),
            ),
            None if ward.program.runs() => {
                sheet.skips("the Ringpost that runs says nothing of it; it needs [metrics] listen, and a moment after its start");
                None
            }
            None => opens(&sheet, &ward, &settings, &there).await,
        }
    })
}

/// The user's telephone as the gateway calls it, and the user's address.
fn line(ward: &Ward, settings: &RccGateway) -> Result<(String, String), String> {
    let user = ward.sample(settings.users.as_deref(), |user| settings.device_of(user).is_some())?;
    let device = settings.device_of(user).ok_or("the user has no number")?;
    Ok((device, user.address.clone()))
}

/// A dialog, one monitor, and the end of both.
async fn opens(sheet: &Sheet, ward: &Ward, settings: &RccGateway, there: &There) -> End {
    let door = Door {
        ward,
        step: format!("gateway.{}.csta", settings.name),
        who: format!("[rcc.gateway.{}]", settings.name),
        login: settings.login.as_ref(),
    };
    let line = line(ward, settings);
    let errand = invite(ward, settings, line.as_ref().ok());
    let (mut talk, said) = door.knocks(sheet, there, &errand).await?;
    let place = talk.place();
    let Some(mut dialog) =
        (200..300).contains(&said.code()).then(|| Dialog::uac(&said.sent, &said.answer)).flatten()
    else {
        let (found, remedy) = refused(&door, &said);
        return sheet.failed(&format!("{place} {found} to an INVITE with CSTA"), remedy);
    };
    let sequence = said.sent.cseq().map_or(1, |(sequence, _)| sequence);
    let acknowledged = talk.sends(dialog.ack(sequence)).await;
    let works = acknowledged
        .and_then(|()| rcc::response(&said.answer.body()).map_err(|_| "its answer is no CSTA".to_owned()));
    let end = match works {
        Ok(Response::SystemStatus { normal: true }) => {
            sheet.ok(&format!("{place} speaks CSTA and works ({})", door.proven(&said)));
            monitors(sheet, settings, (&mut talk, &mut dialog), line).await
        }
        Ok(Response::SystemStatus { normal: false }) => {
            sheet.failed(&format!("{place} says that it does not work now"), advice::sip_unwell(SECTION))
        }
        Ok(_) => sheet.failed(&format!("{place} does not say whether it works"), NOT_CSTA.to_owned()),
        Err(why) => sheet.failed(&format!("{place}: {why}"), NOT_CSTA.to_owned()),
    };
    // Whether it hears that or not: the dialog ends with its session.
    let _ = talk.asks_within(dialog.request(b"BYE"), b"").await;
    end
}

fn invite(ward: &Ward, settings: &RccGateway, line: Option<&(String, String)>) -> Errand {
    let own = || format!("sip:ringpost@{}", ward.site.sip.domain);
    let single = line.filter(|_| settings.per_user).map(|(_, address)| address.clone());
    let asks = Request::SystemStatus { line: line.map(|(device, _)| device.clone()) };
    Errand {
        method: "INVITE",
        uri: settings.target.clone(),
        from: settings.from.clone().or(single).unwrap_or_else(own),
        to: settings.target.split(';').next().unwrap_or_default().to_owned(),
        contact: "rcc".to_owned(),
        headers: vec![
            ("Allow", b"INVITE, ACK, BYE, INFO, UPDATE, OPTIONS".to_vec()),
            ("Content-Type", MEDIA_TYPE.as_bytes().to_vec()),
            ("Content-Disposition", DISPOSITION.as_bytes().to_vec()),
        ],
        body: rcc::request_body(settings.edition, &asks).into(),
        ..Errand::default()
    }
}

fn refused(door: &Door<'_>, said: &Said) -> (String, String) {
    let who = &door.who;
    door.refusal(said).unwrap_or_else(|| {
        let remedy = match said.code() {
            404 | 410 | 480 | 604 => {
                format!("See that server of {who} is the URI of the gateway as the PBX knows it.")
            }
            405 | 415 | 488 | 501 | 606 => NOT_CSTA.to_owned(),
            422 => format!("Set session of {who} to what its Min-SE says."),
            _ => advice::sip_refuses(SECTION),
        };
        (format!("answers {}", said.code()), remedy)
    })
}

/// Whether the gateway tells of one telephone.
async fn monitors(
    sheet: &Sheet,
    settings: &RccGateway,
    (talk, dialog): (&mut Talk, &mut Dialog),
    line: Result<(String, String), String>,
) -> End {
    let device = match line {
        Ok((device, _)) => device,
        Err(why) => {
            sheet.skips(&why);
            return Some(());
        }
    };
    let remedy = || {
        format!(
            "See that device of [rcc.gateway.{}] is how the PBX calls its telephones, and that the login may monitor this one.",
            settings.name
        )
    };
    let start = Request::MonitorStart { device: device.clone() };
    match asked(settings, (talk, dialog), &start).await {
        Ok(Response::MonitorStart { monitor }) => {
            sheet.ok(&format!("it tells what happens at {device}"));
            let _ = asked(settings, (talk, dialog), &Request::MonitorStop { monitor }).await;
            Some(())
        }
        Ok(Response::Refused(why)) => {
            sheet.failed(&format!("it does not let {device} be monitored: {why}"), remedy())
        }
        Ok(_) => sheet.failed(&format!("it does not answer whether {device} is monitored"), remedy()),
        Err(why) => sheet.failed(&format!("no monitor of {device}: {why}"), remedy()),
    }
}

async fn asked(
    settings: &RccGateway,
    (talk, dialog): (&mut Talk, &mut Dialog),
    request: &Request,
) -> Result<Response, String> {
    let mut draft = dialog.request(b"INFO");
    draft.header("Content-Type", &[MEDIA_TYPE.as_bytes()]);
    draft.header("Content-Disposition", &[DISPOSITION.as_bytes()]);
    let body = rcc::request_body(settings.edition, request);
    let answer = talk.asks_within(draft, body.as_bytes()).await?;
    match answer.code() {
        Some(200..300) => rcc::response(&answer.body()).map_err(|_| "its answer is no CSTA".to_owned()),
        code => Err(format!("it answers {}", code.unwrap_or_default())),
    }
}
