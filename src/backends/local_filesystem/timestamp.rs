//! YAML timestamps as Python's `date` and `datetime`.

use std::fmt;

/// A `datetime.date`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A `datetime.datetime`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DateTime {
    date: Date,
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
    /// Seconds east of Greenwich, if a zone is given.
    offset: Option<i32>,
}

/// What a timestamp turns out to be.
pub(super) enum Timestamp {
    Date(Date),
    DateTime(DateTime),
}

/// A text of a timestamp's shape; its numbers may still be out of range.
pub(super) struct Shape<'a> {
    date: [&'a str; 3],
    time: Option<Time<'a>>,
}

struct Time<'a> {
    clock: [&'a str; 3],
    fraction: &'a str,
    zone: Option<Zone<'a>>,
}

enum Zone<'a> {
    Utc,
    Offset {
        is_west: bool,
        hour: &'a str,
        minute: &'a str,
    },
}

impl<'a> Shape<'a> {
    /// Takes `text` apart, if it has a timestamp's shape.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let mut rest = text;
        let year = digits(&mut rest, 4, 4)?;
        eat(&mut rest, '-')?;
        let month = digits(&mut rest, 1, 2)?;
        eat(&mut rest, '-')?;
        let day = digits(&mut rest, 1, 2)?;
        let date = [year, month, day];
        if rest.is_empty() {
            return Some(Self { date, time: None });
        }
        rest = match rest.strip_prefix(['T', 't']) {
            Some(rest) => rest,
            None => {
                let after = rest.trim_start_matches([' ', '\t']);
                (after.len() < rest.len()).then_some(after)?
            }
        };
        let hour = digits(&mut rest, 1, 2)?;
        eat(&mut rest, ':')?;
        let minute = digits(&mut rest, 2, 2)?;
        eat(&mut rest, ':')?;
        let second = digits(&mut rest, 2, 2)?;
        let mut fraction = "";
        if eat(&mut rest, '.').is_some() {
            fraction = digits(&mut rest, 0, usize::MAX)?;
        }
        let time = Some(Time {
            clock: [hour, minute, second],
            fraction,
            zone: Zone::of(rest)?,
        });
        Some(Self { date, time })
    }

    /// Whether a plain scalar of this shape is a timestamp: a bare date only with all its digits.
    pub(super) fn is_implicit(&self) -> bool {
        let [_, month, day] = self.date;
        self.time.is_some() || (month.len() == 2 && day.len() == 2)
    }

    /// The date or time, if every number is in its range.
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        let [year, month, day] = self.date;
        let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
        let Some(time) = &self.time else {
            return Some(Timestamp::Date(date));
        };
        let [hour, minute, second] = time.clock;
        let (hour, minute, second) = (
            hour.parse().ok()?,
            minute.parse().ok()?,
            second.parse().ok()?,
        );
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let offset = match &time.zone {
            None => None,
            Some(zone) => Some(zone.offset()?),
        };
        Some(Timestamp::DateTime(DateTime {
            date,
            hour,
            minute,
            second,
            microsecond: microseconds(time.fraction),
            offset,
        }))
    }
}

impl<'a> Zone<'a> {
    /// The zone in what follows the seconds: outer `None` if that is none and not empty either.
    #[allow(clippy::option_option)]
    fn of(rest: &'a str) -> Option<Option<Self>> {
        if rest.is_empty() {
            return Some(None);
        }
        let zone = rest.trim_start_matches([' ', '\t']);
        if zone == "Z" {
            return Some(Some(Self::Utc));
        }
        let is_west = zone.starts_with('-');
        let mut rest = zone.strip_prefix(['-', '+'])?;
        let hour = digits(&mut rest, 1, 2)?;
        let mut minute = "0";
        if eat(&mut rest, ':').is_some() {
            minute = digits(&mut rest, 2, 2)?;
        }
        rest.is_empty().then_some(Some(Self::Offset {
            is_west,
            hour,
            minute,
        }))
    }

    /// Seconds east of Greenwich, if less than a day.
    fn offset(&self) -> Option<i32> {
        let Self::Offset {
            is_west,
            hour,
            minute,
        } = self
        else {
            return Some(0);
        };
        let seconds = hour.parse::<i32>().ok()? * 3600 + minute.parse::<i32>().ok()? * 60;
        let seconds = if *is_west { -seconds } else { seconds };
        (seconds.abs() < 86_400).then_some(seconds)
    }
}

/// Takes the longest run of digits, `most` at most; `None` if there are less than `least`.
fn digits<'a>(rest: &mut &'a str, least: usize, most: usize) -> Option<&'a str> {
    let count = rest
        .bytes()
        .take_while(u8::is_ascii_digit)
        .take(most)
        .count();
    if count < least {
        return None;
    }
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(digits)
}

fn eat(rest: &mut &str, c: char) -> Option<()> {
    *rest = rest.strip_prefix(c)?;
    Some(())
}

/// The first six digits after the point, as millionths.
fn microseconds(fraction: &str) -> u32 {
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

impl Date {
    fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => return None,
        };
        let is_date = (1..=9999).contains(&year) && (1..=days).contains(&day);
        is_date.then_some(Self { year, month, day })
    }

    /// `repr(date)`.
    pub(super) fn repr(self) -> String {
        let Self { year, month, day } = self;
        format!("datetime.date({year}, {month}, {day})")
    }

    /// Days from a fixed day long ago.
    fn days(self) -> i64 {
        // Counted from March, so that the leap day is a year's last.
        let months = (i64::from(self.month) + 9) % 12;
        let years = i64::from(self.year) - i64::from(self.month < 3);
        let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
        years * 365 + leap_days + (months * 306 + 5) / 10 + i64::from(self.day)
    }
}

impl DateTime {
    /// Microseconds from a fixed moment, if a zone is given.
    pub(super) fn instant(&self) -> Option<i64> {
        let offset = i64::from(self.offset?);
        let minutes = (self.date.days() * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute);
        let seconds = minutes * 60 + i64::from(self.second) - offset;
        Some(seconds * 1_000_000 + i64::from(self.microsecond))
    }

    /// `repr(datetime)`.
    pub(super) fn repr(&self) -> String {
        let Date { year, month, day } = self.date;
        let Self {
            hour,
            minute,
            second,
            microsecond,
            ..
        } = self;
        let mut text = format!("datetime.datetime({year}, {month}, {day}, {hour}, {minute}");
        if *second != 0 || *microsecond != 0 {
            text.push_str(&format!(", {second}"));
        }
        if *microsecond != 0 {
            text.push_str(&format!(", {microsecond}"));
        }
        match self.offset {
            None => {}
            Some(0) => text.push_str(", tzinfo=datetime.timezone.utc"),
            Some(offset) => {
                let days = if offset < 0 { "days=-1, " } else { "" };
                let seconds = offset.rem_euclid(86_400);
                text.push_str(&format!(
                    ", tzinfo=datetime.timezone(datetime.timedelta({days}seconds={seconds}))"
                ));
            }
        }
        text.push(')');
        text
    }
}

/// `str(date)`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// `str(datetime)`.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            hour,
            minute,
            second,
            ..
        } = self;
        write!(f, "{date} {hour:02}:{minute:02}:{second:02}")?;
        if self.microsecond != 0 {
            write!(f, ".{:06}", self.microsecond)?;
        }
        if let Some(offset) = self.offset {
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = offset.abs() / 60;
            write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)?;
        }
        Ok(())
    }
}
