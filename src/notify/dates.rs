//! Dates and durations in words. Month and day names as CLDR writes them inside a sentence.

use std::time::Duration;

use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::address::Language;

/// A moment in the user's zone and language, `Friday 11 April 2008 at 11:12 (CEST)`. An unknown zone reads as UTC.
pub fn moment(at: Timestamp, zone: &str, language: Language) -> String {
    let local = local(at, zone);
    let (day, year, clock) = (local.day(), local.year(), local.strftime("%H:%M").to_string());
    let names = names(language);
    let weekday = names.weekdays[local.weekday().to_monday_zero_offset() as usize];
    let month = names.months[local.month() as usize - 1];
    let zone = zone_name(&local);
    match language {
        Language::En => format!("{weekday} {day} {month} {year} at {clock} ({zone})"),
        Language::De => format!("{weekday}, {day}. {month} {year}, {clock} Uhr ({zone})"),
        Language::Fr => {
            let day = if day == 1 { "1er".to_owned() } else { day.to_string() };
            format!("{weekday} {day} {month} {year} à {clock} ({zone})")
        }
        Language::Da => format!("{weekday} den {day}. {month} {year} kl. {clock} ({zone})"),
        Language::Es => {
            // "a la 1:00", but "a las 2:00".
            let article = if local.hour() == 1 { "a la" } else { "a las" };
            format!("{weekday}, {day} de {month} de {year}, {article} {clock} ({zone})")
        }
    }
}

/// Moments as one line, grouped by their days, in the order given: `Friday 11 April: 11:12, 11:05 (CEST)`.
pub fn times(moments: &[Timestamp], zone: &str, language: Language) -> String {
    let mut days: Vec<(Zoned, Vec<String>)> = vec![];
    for local in moments.iter().map(|at| local(*at, zone)) {
        let clock = local.strftime("%H:%M").to_string();
        match days.last_mut().filter(|(day, _)| day.date() == local.date()) {
            Some((_, clocks)) => clocks.push(clock),
            None => days.push((local, vec![clock])),
        }
    }
    let lines = days.iter().map(|(local, clocks)| format!("{}: {}", day(local, language), clocks.join(", ")));
    let lines = lines.collect::<Vec<_>>().join("; ");
    days.first().map_or(lines.clone(), |(local, _)| format!("{lines} ({})", zone_name(local)))
}

/// A day near today, `Friday 11 April`.
fn day(local: &Zoned, language: Language) -> String {
    let (day, names) = (local.day(), names(language));
    let weekday = names.weekdays[local.weekday().to_monday_zero_offset() as usize];
    let month = names.months[local.month() as usize - 1];
    match language {
        Language::En => format!("{weekday} {day} {month}"),
        Language::De => format!("{weekday}, {day}. {month}"),
        Language::Fr if day == 1 => format!("{weekday} 1er {month}"),
        Language::Fr => format!("{weekday} {day} {month}"),
        Language::Da => format!("{weekday} den {day}. {month}"),
        Language::Es => format!("{weekday}, {day} de {month}"),
    }
}

/// The moment in the user's zone; UTC where the zone is unknown.
pub fn local(at: Timestamp, zone: &str) -> Zoned {
    at.to_zoned(TimeZone::get(zone).unwrap_or(TimeZone::UTC))
}

/// `23 s`, `1 min 05 s`, `1 h 00 min 05 s`: the SI symbols are the same in every language shipped.
pub fn length(duration: Duration) -> String {
    let total = duration.as_millis().div_ceil(1000);
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds:02} s"),
        _ => format!("{hours} h {minutes:02} min {seconds:02} s"),
    }
}

/// The zone's letters where it has some, else its offset: the tz database names many zones `-03`.
pub fn zone_name(local: &Zoned) -> String {
    let letters = local.strftime("%Z").to_string();
    if letters.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return letters;
    }
    local.strftime("UTC%:z").to_string()
}

struct Names {
    weekdays: [&'static str; 7],
    months: [&'static str; 12],
}

#[rustfmt::skip]
fn names(language: Language) -> &'static Names {
    match language {
        Language::En => &Names {
            weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            months: ["January", "February", "March", "April", "May", "June", "July", "August", "September",
                "October", "November", "December"],
        },
        Language::De => &Names {
            weekdays: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
            months: ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
                "Oktober", "November", "Dezember"],
        },
        Language::Fr => &Names {
            weekdays: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
            months: ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
                "octobre", "novembre", "décembre"],
        },
        Language::Da => &Names {
            weekdays: ["mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag"],
            months: ["januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september",
                "oktober", "november", "december"],
        },
        Language::Es => &Names {
            weekdays: ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
            months: ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre",
                "octubre", "noviembre", "diciembre"],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_the_language_writes_it() {
        for (at, zone, language, text) in [
            (
                "2008-04-11T09:12:33Z",
                "Europe/Copenhagen",
                Language::En,
                "Friday 11 April 2008 at 11:12 (CEST)",
            ),
            (
                "2008-04-11T09:12:33Z",
                "Europe/Berlin",
                Language::De,
                "Freitag, 11. April 2008, 11:12 Uhr (CEST)",
            ),
            ("2026-03-01T09:12:33Z", "Europe/Paris", Language::Fr, "dimanche 1er mars 2026 à 10:12 (CET)"),
            (
                "2026-12-24T23:30:00Z",
                "Europe/Copenhagen",
                Language::Da,
                "fredag den 25. december 2026 kl. 00:30 (CET)",
            ),
            (
                "2026-08-05T00:30:00Z",
                "Europe/Madrid",
                Language::Es,
                "miércoles, 5 de agosto de 2026, a las 02:30 (CEST)",
            ),
            (
                "2026-01-05T00:30:00Z",
                "Europe/Madrid",
                Language::Es,
                "lunes, 5 de enero de 2026, a la 01:30 (CET)",
            ),
            (
                "2026-01-05T00:30:00Z",
                "America/Sao_Paulo",
                Language::En,
                "Sunday 4 January 2026 at 21:30 (UTC-03:00)",
            ),
            ("2026-01-05T00:30:00Z", "Mars/Olympus", Language::En, "Monday 5 January 2026 at 00:30 (UTC)"),
            // Both sides of the hour that summer time skips.
            ("2026-03-29T00:59:59Z", "Europe/Berlin", Language::En, "Sunday 29 March 2026 at 01:59 (CET)"),
            ("2026-03-29T01:00:00Z", "Europe/Berlin", Language::En, "Sunday 29 March 2026 at 03:00 (CEST)"),
        ] {
            let at: Timestamp = at.parse().expect("a timestamp");
            assert_eq!(moment(at, zone, language), text, "{at} {zone}");
        }
    }

    #[test]
    fn several_moments_are_grouped_by_the_users_day() {
        let all =
            ["2008-04-11T09:12:33Z", "2008-04-11T09:05:00Z", "2008-03-31T22:30:00Z", "2008-03-31T21:30:00Z"];
        let all = all.map(|at| at.parse().expect("a timestamp"));
        for (language, text) in [
            (
                Language::En,
                "Friday 11 April: 11:12, 11:05; Tuesday 1 April: 00:30; Monday 31 March: 23:30 (CEST)",
            ),
            (
                Language::De,
                "Freitag, 11. April: 11:12, 11:05; Dienstag, 1. April: 00:30; Montag, 31. März: 23:30 (CEST)",
            ),
            (
                Language::Fr,
                "vendredi 11 avril: 11:12, 11:05; mardi 1er avril: 00:30; lundi 31 mars: 23:30 (CEST)",
            ),
            (
                Language::Da,
                "fredag den 11. april: 11:12, 11:05; tirsdag den 1. april: 00:30; mandag den 31. marts: 23:30 (CEST)",
            ),
            (
                Language::Es,
                "viernes, 11 de abril: 11:12, 11:05; martes, 1 de abril: 00:30; lunes, 31 de marzo: 23:30 (CEST)",
            ),
        ] {
            assert_eq!(times(&all, "Europe/Copenhagen", language), text);
        }
        assert_eq!(times(&[], "UTC", Language::En), "");
    }

    #[test]
    fn lengths_are_counted_up_to_the_full_second() {
        for (millis, text) in
            [(0, "0 s"), (1, "1 s"), (23_000, "23 s"), (65_000, "1 min 05 s"), (3_605_000, "1 h 00 min 05 s")]
        {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }
}
