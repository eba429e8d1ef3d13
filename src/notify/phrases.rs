//! What a notice says, in every language shipped.

use jiff::Timestamp;

use super::{Notice, dates};
use crate::{address::Language, call::Outcome};

/// The words of one language. `{who}` stands for the caller.
pub struct Phrases {
    pub missed: &'static str,
    pub missed_from: &'static str,
    pub voice_mail: &'static str,
    pub voice_mail_from: &'static str,
    pub unknown: &'static str,
    pub call_for: &'static str,
    pub came_in: &'static str,
    pub rang_for: &'static str,
    pub did_not_ring: &'static str,
    pub length: &'static str,
    pub call_back: &'static str,
    pub attached: &'static str,
    pub listen: &'static str,
    pub kept: &'static str,
    pub footer: &'static str,
    pub missed_calls: &'static str,
    /// Several of one caller: `{n}` calls of `{who}`.
    pub missed_calls_from: &'static str,
    /// Several of several callers: `{n}` calls of `{m}`.
    pub missed_calls_of: &'static str,
    pub callers: &'static str,
    /// The mailbox, after wrong PINs (T20).
    pub locked: &'static str,
    pub last_try: &'static str,
    pub tried_by: &'static str,
    locked_until: &'static str,
    one_call: &'static str,
    many_calls: &'static str,
    talked: &'static str,
    gave_up_ringing: &'static str,
    gave_up_forwarding: &'static str,
    unanswered: &'static str,
    um_unreachable: &'static str,
    gave_up_in_greeting: &'static str,
    left_message: &'static str,
    answered: &'static str,
    answered_elsewhere: &'static str,
}

impl Phrases {
    /// The words of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::De => &DE,
            Language::Fr => &FR,
            Language::Da => &DA,
            Language::Es => &ES,
        }
    }

    /// `3 calls`. All these languages have one form for one and one for more.
    pub fn calls(&self, count: usize) -> String {
        match count {
            1 => self.one_call.to_owned(),
            many => self.many_calls.replace("{n}", &many.to_string()),
        }
    }

    /// That a mailbox is locked after `{n}` wrong PINs, until `{at}`, as sentences.
    pub fn locked_until(&self, tries: u32, until: Timestamp, notice: &Notice) -> String {
        let until = dates::moment(until, &notice.time_zone, notice.language);
        self.locked_until.replace("{n}", &tries.to_string()).replace("{at}", &until)
    }

    /// When the two have talked since, as a sentence.
    pub fn talked(&self, at: Timestamp, notice: &Notice) -> String {
        self.talked.replace("{at}", &dates::moment(at, &notice.time_zone, notice.language))
    }

    /// How the call ended, as a sentence.
    pub fn ended(&self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::GaveUpRinging => self.gave_up_ringing,
            Outcome::GaveUpForwarding => self.gave_up_forwarding,
            Outcome::Unanswered | Outcome::ForwardUnanswered | Outcome::NotDisturbed | Outcome::TakenByUm => {
                self.unanswered
            }
            Outcome::UmUnreachable => self.um_unreachable,
            Outcome::GaveUpInGreeting => self.gave_up_in_greeting,
            Outcome::LeftMessage => self.left_message,
            Outcome::Talked => self.answered,
            Outcome::CompletedElsewhere | Outcome::TakenByOther => self.answered_elsewhere,
        }
    }
}

static EN: Phrases = Phrases {
    missed: "Missed call",
    missed_from: "Missed call from {who}",
    voice_mail: "Voice mail",
    voice_mail_from: "Voice mail from {who}",
    unknown: "unknown caller",
    call_for: "Call for",
    came_in: "Received",
    rang_for: "Rang for",
    did_not_ring: "no phone rang",
    length: "Length",
    call_back: "Call back",
    attached: "The recording is attached to this mail.",
    listen: "Listen",
    kept: "The recording is kept by your telephone system.",
    footer: "Sent automatically by your telephone system. Replies are not read.",
    missed_calls: "Missed calls",
    missed_calls_from: "{n} missed calls from {who}",
    missed_calls_of: "{n} missed calls from {m} callers",
    callers: "{m} callers",
    locked: "Your mailbox is locked",
    last_try: "Last try",
    tried_by: "Tried from",
    locked_until: "Somebody entered {n} wrong PINs at your mailbox. It cannot be opened by PIN until {at}. If that was not you, your messages have not been heard; change your PIN if it is easy to guess.",
    one_call: "1 call",
    many_calls: "{n} calls",
    talked: "You have talked since, on {at}.",
    gave_up_ringing: "The caller hung up while your phones were ringing.",
    gave_up_forwarding: "The caller hung up before voice mail answered.",
    unanswered: "Nobody answered.",
    um_unreachable: "Nobody answered, and voice mail could not be reached.",
    gave_up_in_greeting: "The caller reached your voice mail and left no message.",
    left_message: "The caller left a message.",
    answered: "The call was answered.",
    answered_elsewhere: "The call was answered elsewhere.",
};

static DE: Phrases = Phrases {
    missed: "Verpasster Anruf",
    missed_from: "Verpasster Anruf von {who}",
    voice_mail: "Sprachnachricht",
    voice_mail_from: "Sprachnachricht von {who}",
    unknown: "unbekannter Anrufer",
    call_for: "Anruf für",
    came_in: "Eingegangen",
    rang_for: "Klingelte",
    did_not_ring: "kein Telefon klingelte",
    length: "Länge",
    call_back: "Zurückrufen",
    attached: "Die Aufnahme hängt an dieser Mail.",
    listen: "Anhören",
    kept: "Die Aufnahme liegt in Ihrer Telefonanlage.",
    footer: "Automatisch von Ihrer Telefonanlage gesendet. Antworten werden nicht gelesen.",
    missed_calls: "Verpasste Anrufe",
    missed_calls_from: "{n} verpasste Anrufe von {who}",
    missed_calls_of: "{n} verpasste Anrufe von {m} Anrufern",
    callers: "{m} Anrufer",
    locked: "Ihre Mailbox ist gesperrt",
    last_try: "Letzter Versuch",
    tried_by: "Versucht von",
    locked_until: "Jemand hat an Ihrer Mailbox {n} falsche PINs eingegeben. Bis {at} lässt sie sich nicht mit der PIN öffnen. Wenn Sie das nicht waren: Ihre Nachrichten wurden nicht abgehört; ändern Sie Ihre PIN, wenn sie leicht zu erraten ist.",
    one_call: "1 Anruf",
    many_calls: "{n} Anrufe",
    talked: "Sie haben seitdem miteinander gesprochen: {at}.",
    gave_up_ringing: "Der Anrufer hat aufgelegt, während Ihre Telefone klingelten.",
    gave_up_forwarding: "Der Anrufer hat aufgelegt, bevor die Mailbox antwortete.",
    unanswered: "Niemand hat abgenommen.",
    um_unreachable: "Niemand hat abgenommen, und die Mailbox war nicht erreichbar.",
    gave_up_in_greeting: "Der Anrufer hat Ihre Mailbox erreicht und keine Nachricht hinterlassen.",
    left_message: "Der Anrufer hat eine Nachricht hinterlassen.",
    answered: "Der Anruf wurde angenommen.",
    answered_elsewhere: "Der Anruf wurde an anderer Stelle angenommen.",
};

static FR: Phrases = Phrases {
    missed: "Appel manqué",
    missed_from: "Appel manqué de {who}",
    voice_mail: "Message vocal",
    voice_mail_from: "Message vocal de {who}",
    unknown: "appelant inconnu",
    call_for: "Appel pour",
    came_in: "Reçu",
    rang_for: "A sonné",
    did_not_ring: "aucun téléphone n’a sonné",
    length: "Durée",
    call_back: "Rappeler",
    attached: "L’enregistrement est joint à ce message.",
    listen: "Écouter",
    kept: "L’enregistrement est conservé par votre système téléphonique.",
    footer: "Envoyé automatiquement par votre système téléphonique. Les réponses ne sont pas lues.",
    missed_calls: "Appels manqués",
    missed_calls_from: "{n} appels manqués de {who}",
    missed_calls_of: "{n} appels manqués de {m} correspondants",
    callers: "{m} correspondants",
    locked: "Votre messagerie est verrouillée",
    last_try: "Dernier essai",
    tried_by: "Essai depuis",
    locked_until: "Quelqu’un a saisi {n} codes erronés sur votre messagerie. Elle ne s’ouvrira pas avec le code avant le {at}. Si ce n’était pas vous : vos messages n’ont pas été écoutés ; changez votre code s’il est facile à deviner.",
    one_call: "1 appel",
    many_calls: "{n} appels",
    talked: "Vous vous êtes parlé depuis, le {at}.",
    gave_up_ringing: "L’appelant a raccroché pendant que vos téléphones sonnaient.",
    gave_up_forwarding: "L’appelant a raccroché avant que la messagerie réponde.",
    unanswered: "Personne n’a répondu.",
    um_unreachable: "Personne n’a répondu et la messagerie était injoignable.",
    gave_up_in_greeting: "L’appelant a atteint votre messagerie sans laisser de message.",
    left_message: "L’appelant a laissé un message.",
    answered: "L’appel a été pris.",
    answered_elsewhere: "L’appel a été pris ailleurs.",
};

static DA: Phrases = Phrases {
    missed: "Mistet opkald",
    missed_from: "Mistet opkald fra {who}",
    voice_mail: "Talebesked",
    voice_mail_from: "Talebesked fra {who}",
    unknown: "ukendt opkalder",
    call_for: "Opkald til",
    came_in: "Modtaget",
    rang_for: "Ringede i",
    did_not_ring: "ingen telefon ringede",
    length: "Længde",
    call_back: "Ring tilbage",
    attached: "Optagelsen er vedhæftet denne mail.",
    listen: "Lyt",
    kept: "Optagelsen ligger i dit telefonsystem.",
    footer: "Sendt automatisk af dit telefonsystem. Svar bliver ikke læst.",
    missed_calls: "Mistede opkald",
    missed_calls_from: "{n} mistede opkald fra {who}",
    missed_calls_of: "{n} mistede opkald fra {m} opkaldere",
    callers: "{m} opkaldere",
    locked: "Din telefonsvarer er låst",
    last_try: "Sidste forsøg",
    tried_by: "Forsøgt fra",
    locked_until: "Nogen har indtastet {n} forkerte pinkoder til din telefonsvarer. Den kan ikke åbnes med pinkoden før {at}. Hvis det ikke var dig: Dine beskeder er ikke blevet hørt; skift din pinkode, hvis den er let at gætte.",
    one_call: "1 opkald",
    many_calls: "{n} opkald",
    talked: "I har talt sammen siden, {at}.",
    gave_up_ringing: "Opkalderen lagde på, mens dine telefoner ringede.",
    gave_up_forwarding: "Opkalderen lagde på, før telefonsvareren svarede.",
    unanswered: "Ingen tog telefonen.",
    um_unreachable: "Ingen tog telefonen, og telefonsvareren kunne ikke nås.",
    gave_up_in_greeting: "Opkalderen nåede din telefonsvarer og lagde ingen besked.",
    left_message: "Opkalderen lagde en besked.",
    answered: "Opkaldet blev besvaret.",
    answered_elsewhere: "Opkaldet blev besvaret et andet sted.",
};

static ES: Phrases = Phrases {
    missed: "Llamada perdida",
    missed_from: "Llamada perdida de {who}",
    voice_mail: "Mensaje de voz",
    voice_mail_from: "Mensaje de voz de {who}",
    unknown: "número desconocido",
    call_for: "Llamada para",
    came_in: "Recibida",
    rang_for: "Sonó",
    did_not_ring: "no sonó ningún teléfono",
    length: "Duración",
    call_back: "Devolver la llamada",
    attached: "La grabación va adjunta a este correo.",
    listen: "Escuchar",
    kept: "La grabación se conserva en su sistema telefónico.",
    footer: "Enviado automáticamente por su sistema telefónico. Las respuestas no se leen.",
    missed_calls: "Llamadas perdidas",
    missed_calls_from: "{n} llamadas perdidas de {who}",
    missed_calls_of: "{n} llamadas perdidas de {m} personas",
    callers: "{m} personas",
    locked: "Su buzón de voz está bloqueado",
    last_try: "Último intento",
    tried_by: "Intento desde",
    locked_until: "Alguien introdujo {n} PIN incorrectos en su buzón de voz. No se podrá abrir con el PIN hasta el {at}. Si no fue usted: nadie ha escuchado sus mensajes; cambie su PIN si es fácil de adivinar.",
    one_call: "1 llamada",
    many_calls: "{n} llamadas",
    talked: "Han hablado desde entonces, el {at}.",
    gave_up_ringing: "La persona que llamaba colgó mientras sonaban sus teléfonos.",
    gave_up_forwarding: "La persona que llamaba colgó antes de que respondiera el buzón de voz.",
    unanswered: "Nadie respondió.",
    um_unreachable: "Nadie respondió y no se pudo acceder al buzón de voz.",
    gave_up_in_greeting: "La persona que llamaba llegó a su buzón de voz y no dejó ningún mensaje.",
    left_message: "La persona que llamaba dejó un mensaje.",
    answered: "La llamada fue atendida.",
    answered_elsewhere: "La llamada fue atendida en otro lugar.",
};
