//! `strftime` in UTC, for `strftime_now`.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// The directives of `strftime` that templates use, in UTC. `now`: seconds since 1970.
pub fn strftime(now: i64, format: &str) -> String {
    let (days, seconds) = (now.div_euclid(86_400), now.rem_euclid(86_400));
    // Days to a civil date, counted from 0000-03-01 in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let month_name = MONTHS[(month - 1) as usize % 12];
    let day_name = DAYS[days.rem_euclid(7) as usize];

    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('Y') => out += &year.to_string(),
            Some('y') => out += &format!("{:02}", year.rem_euclid(100)),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{day:02}"),
            Some('e') => out += &format!("{day:2}"),
            Some('B') => out += month_name,
            Some('b') => out += &month_name[..3],
            Some('A') => out += day_name,
            Some('a') => out += &day_name[..3],
            Some('j') => out += &format!("{:03}", days - days_before(year) + 1),
            Some('p') => out += if seconds < 43_200 { "AM" } else { "PM" },
            Some('I') => out += &format!("{:02}", (seconds / 3600 + 11) % 12 + 1),
            Some('H') => out += &format!("{:02}", seconds / 3600),
            Some('M') => out += &format!("{:02}", seconds / 60 % 60),
            Some('S') => out += &format!("{:02}", seconds % 60),
            Some('-') => match chars.next() {
                Some('d') => out += &day.to_string(),
                Some('m') => out += &month.to_string(),
                other => out.extend(['%', '-'].into_iter().chain(other)),
            },
            Some('%') => out.push('%'),
            other => out.extend(std::iter::once('%').chain(other)),
        }
    }
    out
}

/// Days from 1970 to the first of January of a year.
fn days_before(year: i64) -> i64 {
    let last = year - 1;
    (year - 1970) * 365 + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) - 477
}
