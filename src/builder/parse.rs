//! The rule of each value, and what an error says about it. No variable is read here.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::environment::Given;
use crate::error::BuildError;
use crate::scrub;

/// The characters that IAM and STS allow in names: `[\w+=,.@-]`, ASCII only.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// By its text alone: the file need not be there yet. A relative path is one, too.
pub(super) fn token_file(path: Given<PathBuf>) -> Result<PathBuf, BuildError> {
    let by = path.by;
    let text = path.value.to_string_lossy();
    let refuse = |remedy: &str| Err(refused(by, format_args!("{}, which is no path of a file", quoted(&text)), remedy));
    if text.is_empty() {
        return Err(refused(by, "empty", "give the path of the projected token, as mounted in this container"));
    }
    if is_token(&text) {
        // Neither shown nor used: what it is given for is a secret.
        return Err(refused(
            by,
            "a token itself",
            "give the path of the file that holds it; treat this token as leaked",
        ));
    }
    if bare(&text) != text {
        return refuse("take the quotes and blanks around it out");
    }
    if text.contains("://") || text.starts_with("file:") {
        // A URL may hold a password.
        let remedy = "write the path alone, without file://; for a token from elsewhere implement ProvideToken and call \
                      Builder::token_source";
        return Err(refused(by, "a URL", remedy));
    }
    if text == "~" || text.starts_with("~/") {
        return refuse("no shell replaces ~ here; write the path out, from the / on");
    }
    if is_placeholder(&text) {
        return refuse(
            "nothing has replaced the variable in it; Kubernetes replaces $(NAME) if NAME is set before it in the same \
             container, and no $NAME or ${NAME}; write the path out",
        );
    }
    if text.contains(char::is_control) {
        return refuse("take the control characters out");
    }
    if text.ends_with('/') {
        return refuse("this is a directory; name the file in it, which is called token in most pods");
    }
    drop(text);
    Ok(path.value)
}

/// Without the quotes and white space that a file or a template leaves around a value.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'`".contains(c))
}

/// Whether something was to be put in by a shell, a template, or a person.
pub(super) fn is_placeholder(text: &str) -> bool {
    let tagged = text.split_once('<').is_some_and(|(_, rest)| rest.contains('>'));
    tagged || text.starts_with('$') || ["$(", "${", "{{"].iter().any(|mark| text.contains(mark))
}

/// The look of a JWT: a JSON object in base64, three parts; five if it is encrypted. Quotes or a `Bearer` before it, or
/// whatever else it was copied with, do not hide it.
pub(super) fn is_token(text: &str) -> bool {
    let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '=');
    text.match_indices("eyJ").any(|(at, _)| {
        let (before, token) = text.split_at(at);
        let end = token.find(|c| !in_token(c)).unwrap_or(token.len());
        !before.ends_with(|c: char| c.is_ascii_alphanumeric()) && token[..end].split('.').count() >= 3
    })
}

pub(super) fn session_name(name: Given<String>) -> Result<String, BuildError> {
    if (2..=64).contains(&name.value.len()) && name.value.bytes().all(is_name_byte) {
        return Ok(name.value);
    }
    Err(refused(
        name.by,
        quoted(&name.value),
        "a session name has 2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -; change it, or leave it out to take the \
         pod's name",
    ))
}

/// Of a long name the end stays: there pods of one deployment differ. A token or key in its place becomes no name.
pub(super) fn session_name_of_pod(pod: &str) -> Option<String> {
    if scrub::looks_secret(pod) {
        return None;
    }
    let plain: String = pod.chars().map(|c| if c.is_ascii() && is_name_byte(c as u8) { c } else { '-' }).collect();
    let name = plain[plain.len().saturating_sub(64)..].trim_matches(['-', '.']);
    (name.len() >= 2).then(|| name.to_owned())
}

pub(super) fn session_length(length: Duration) -> Result<Duration, BuildError> {
    if length.subsec_nanos() == 0 && (900..=43_200).contains(&length.as_secs()) {
        return Ok(length);
    }
    Err(refused(
        "Builder::session_length",
        format_args!("{length:?}"),
        "STS takes whole seconds from 900 (15 min) to 43200 (12 h), and no more than the role's MaxSessionDuration",
    ))
}

pub(super) fn policy(policy: Given<String>) -> Result<String, BuildError> {
    let Given { by, value: json } = policy;
    let remedy = "give a session policy as JSON, {\"Version\":\"2012-10-17\",\"Statement\":[...]}";
    if json.trim().is_empty() {
        return Err(refused(by, "empty", "give a session policy as JSON, or do not call it"));
    }
    let is_object = match serde_json::from_str::<serde_json::Value>(&json) {
        Ok(value) => value.is_object(),
        Err(error) => return Err(refused(by, "not JSON", remedy).with_source(error)),
    };
    if !is_object {
        return Err(refused(by, "not a JSON object", remedy));
    }
    let length = json.chars().count();
    if length > 2048 {
        let remedy = "STS takes at most 2048; leave out white space, or make it a managed policy and use policy_arns";
        return Err(refused(by, format_args!("{length} characters long"), remedy));
    }
    if let Some(odd) = json.chars().find(|c| !matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}')) {
        return Err(refused(
            by,
            format_args!("JSON with the character {}", quoted(&odd.to_string())),
            "write it as a \\u escape, STS takes Latin-1",
        ));
    }
    Ok(json)
}

/// With `at_aws` the region becomes part of a host name. Other STS servers call theirs what they like.
pub(super) fn region(region: Given<String>, at_aws: bool) -> Result<Given<String>, BuildError> {
    let name = region.value.as_str();
    if name.is_empty() {
        return Err(refused(region.by, "empty", "name a region, such as eu-central-1"));
    }
    let remedy = if at_aws {
        if is_region(name) {
            return Ok(region);
        }
        like_aws(name)
    } else if name.contains(char::is_control) {
        "take the control characters out".to_owned()
    } else if is_token(name) {
        // Else it would stand in logs and errors.
        "name a region, such as eu-central-1".to_owned()
    } else {
        return Ok(region);
    };
    Err(refused(region.by, format_args!("{}, which is no region", quoted(name)), remedy))
}

/// `AREA-DIRECTION-NUMBER`, as all of AWS's are called, with one part more in some partitions.
fn is_region(name: &str) -> bool {
    let Some((words, number)) = name.rsplit_once('-') else { return false };
    let is_word = |word: &str| (1..=20).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
    (2..=3).contains(&words.split('-').count())
        && words.split('-').all(|word| is_word(word) && word != "fips")
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// What to write instead of this.
fn like_aws(name: &str) -> String {
    let plain = bare(name).to_ascii_lowercase();
    let without_fips = plain.strip_prefix("fips-").or_else(|| plain.strip_suffix("-fips"));
    if is_region(&plain) {
        format!("write it as {plain}")
    } else if let Some(region) = without_fips.filter(|region| is_region(region)) {
        format!("write it as {region}, and set AWS_USE_FIPS_ENDPOINT to true")
    } else if let Some(region) = region_of_zone(&plain) {
        format!("it is an availability zone; write its region, {region}")
    } else if plain.ends_with("-global") {
        "it stands for no region of its own; name the one that this runs in, such as eu-central-1".to_owned()
    } else if is_placeholder(name) || ["null", "none", "nil", "undefined"].contains(&plain.as_str()) {
        "it stands for a value that was not filled in; name the region that this runs in, such as eu-central-1"
            .to_owned()
    } else {
        "write it as AWS does, such as eu-central-1".to_owned()
    }
}

/// `eu-central-1` for `eu-central-1a`, `us-west-2` for the local zone `us-west-2-lax-1a`.
fn region_of_zone(name: &str) -> Option<&str> {
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut ends = name.char_indices().map(|(end, _)| name.split_at(end));
    let (region, _) = ends.find(|(region, rest)| {
        is_region(region) && !rest.starts_with(|c: char| c.is_ascii_digit()) && is_plain(rest)
    })?;
    Some(region)
}

pub(super) fn refresh_window(window: Given<RangeInclusive<f64>>) -> Result<RangeInclusive<f64>, BuildError> {
    let (start, end) = (*window.value.start(), *window.value.end());
    // A NaN compares as false.
    if 0.10 <= start && start <= end && end <= 0.90 {
        return Ok(window.value);
    }
    Err(refused(
        window.by,
        format_args!("{start:?}..={end:?}"),
        "give fractions of the credentials' lifetime within 0.10..=0.90, the lower one first; the default is 0.60..=0.75",
    ))
}

/// Below, no handshake ends; above, too few attempts fit between the refresh and the end of a session of 15 minutes.
pub(super) fn attempt_timeout(timeout: Duration) -> Result<Duration, BuildError> {
    let bounds = Duration::from_millis(10)..=Duration::from_secs(60);
    bounded("Builder::attempt_timeout", timeout, bounds, "it bounds one exchange with STS, 8s by default")
}

/// As an attempt, of which connecting is a part.
pub(super) fn connect_timeout(timeout: Duration) -> Result<Duration, BuildError> {
    let bounds = Duration::from_millis(10)..=Duration::from_secs(60);
    bounded("Builder::connect_timeout", timeout, bounds, "it bounds one connection to STS, 2s by default")
}

/// As long as an exchange may take: a provider makes some of its own.
pub(super) fn call_timeout(timeout: Duration) -> Result<Duration, BuildError> {
    let bounds = Duration::from_millis(10)..=Duration::from_secs(60);
    bounded("BackgroundBuilder::attempt_timeout", timeout, bounds, "it bounds one call of the provider, 20s by default")
}

/// No session is longer than the upper bound.
pub(super) fn wait_timeout(timeout: Given<Duration>) -> Result<Duration, BuildError> {
    let bounds = Duration::from_millis(1)..=Duration::from_secs(43_200);
    bounded(timeout.by, timeout.value, bounds, "30s by default; ready() waits without limit")
}

/// Below, it is a busy loop on somebody's disk; above, a token that lives ten minutes is seen too late.
pub(super) fn token_poll_interval(interval: Duration) -> Result<Duration, BuildError> {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(300);
    bounded("Builder::token_poll_interval", interval, bounds, "30s by default, a look costs microseconds")
}

fn bounded(
    by: &'static str,
    value: Duration,
    bounds: RangeInclusive<Duration>,
    hint: &str,
) -> Result<Duration, BuildError> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let remedy = format_args!("give {:?} to {:?}; {hint}", bounds.start(), bounds.end());
    Err(refused(by, format_args!("{value:?}"), remedy))
}

/// Each error reads alike: what was set, to what, and what to do.
pub(super) fn refused(by: &'static str, problem: impl Display, remedy: impl Display) -> BuildError {
    BuildError::invalid(format!("{by} is {problem}"), remedy.to_string()).with_setting(by)
}

/// A value for an error: never endless, and no token or key if somebody mistook its place.
pub(super) fn quoted(value: &str) -> String {
    if is_token(value) {
        return "a token (not shown)".to_owned();
    }
    scrub::quoted(value, 160)
}

/// A value that nobody has checked yet, for `Debug`: as an error would quote it.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given<T>(value: T) -> Given<T> {
        Given { by: "X", value }
    }

    fn text<T>(result: Result<T, BuildError>) -> Result<T, String> {
        result.map_err(|error| error.to_string())
    }

    #[test]
    fn a_session_name_is_what_sts_takes() {
        let sixty_four = "x".repeat(64);
        for name in ["ab", "my-app-7d9f", "A_b+c=d,e.f@g-1", &sixty_four] {
            assert_eq!(text(session_name(given(name.to_owned()))), Ok(name.to_owned()));
        }
        let sixty_five = "x".repeat(65);
        for name in ["", "a", "a b", "a/b", "a:b", "ümlaut", "a\n", &sixty_five] {
            assert_eq!(
                text(session_name(given(name.to_owned()))),
                Err(format!(
                    "X is {name:?}: a session name has 2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -; change it, or \
                     leave it out to take the pod's name"
                ))
            );
        }
    }

    #[test]
    fn a_pod_s_name_becomes_a_session_name_that_keeps_the_end() {
        let long = format!("{}7d9f8b6c5d-x2k4q", "checkout-".repeat(9));
        let kept = &long[long.len() - 64..];
        for (pod, expected) in [
            ("web-0", Some("web-0")),
            ("web_0 (old)", Some("web_0--old")),
            ("größe.example", Some("gr--e.example")),
            (long.as_str(), Some(kept)),
            ("x", None),
            ("", None),
            ("///", None),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ===", None),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
        ] {
            assert_eq!(session_name_of_pod(pod).as_deref(), expected, "{pod}");
        }
    }

    #[test]
    fn a_session_lasts_fifteen_minutes_to_twelve_hours() {
        for seconds in [900, 3600, 43_200] {
            assert!(session_length(Duration::from_secs(seconds)).is_ok());
        }
        for length in [Duration::ZERO, Duration::from_secs(899), Duration::from_secs(43_201), Duration::MAX] {
            assert!(session_length(length).is_err(), "{length:?}");
        }
        assert_eq!(
            text(session_length(Duration::from_millis(900_500))),
            Err(
                "Builder::session_length is 900.5s: STS takes whole seconds from 900 (15 min) to 43200 (12 h), and no \
                 more than the role's MaxSessionDuration"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_policy_is_a_json_object_of_2048_characters_at_most() {
        let of_length = |length: usize| format!("{{\"Id\":\"{}\"}}", "x".repeat(length - 9));
        for json in ["{}".to_owned(), " {\"Version\":\"2012-10-17\"}\n".to_owned(), of_length(2048)] {
            assert_eq!(text(policy(given(json.clone()))), Ok(json));
        }
        for (json, problem) in [
            (String::new(), "empty: "),
            (" \n".to_owned(), "empty: "),
            ("{".to_owned(), "not JSON: "),
            ("{} {}".to_owned(), "not JSON: "),
            ("[".repeat(100_000), "not JSON: "),
            ("[]".to_owned(), "not a JSON object: "),
            ("\"{}\"".to_owned(), "not a JSON object: "),
            (of_length(2049), "2049 characters long: "),
            ("{\"Id\":\"\u{20ac}\"}".to_owned(), "JSON with the character \"\u{20ac}\": "),
        ] {
            let error = text(policy(given(json))).unwrap_err();
            assert!(error.starts_with(&format!("X is {problem}")), "{error}");
        }
    }

    #[test]
    fn a_region_is_written_as_aws_does_where_aws_is_asked() {
        let parse = |name: &str, at_aws| text(region(given(name.to_owned()), at_aws).map(|region| region.value));
        for name in ["us-east-1", "eu-central-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1", "xx-north-12"] {
            assert_eq!(parse(name, true), Ok(name.to_owned()));
        }
        let (as_aws, empty) = (
            "write it as AWS does, such as eu-central-1",
            "it stands for a value that was not filled in; name the region that this runs in, such as eu-central-1",
        );
        let zone = "it is an availability zone; write its region, us-west-2";
        let fips = "write it as us-east-1, and set AWS_USE_FIPS_ENDPOINT to true";
        let global = "it stands for no region of its own; name the one that this runs in, such as eu-central-1";
        for (name, remedy) in [
            ("EU-WEST-1", "write it as eu-west-1"),
            ("us-east-1\n", "write it as us-east-1"),
            ("\"us-east-1\"", "write it as us-east-1"),
            (" 'US-East-1'", "write it as us-east-1"),
            ("us-east-1-fips", fips),
            ("fips-us-east-1", fips),
            ("us-west-2a", zone),
            ("us-west-2-lax-1a", zone),
            ("aws-global", global),
            ("aws-us-gov-global", global),
            ("null", empty),
            ("None", empty),
            ("undefined", empty),
            ("$(AWS_REGION)", empty),
            ("${AWS_REGION}", empty),
            ("<region>", empty),
            ("*", as_aws),
            ("default", as_aws),
            ("us east 1", as_aws),
            ("us-east", as_aws),
            ("us-east-1,us-west-2", as_aws),
            ("eu.west", as_aws),
            ("-", as_aws),
            ("x-", as_aws),
            ("a/b", as_aws),
            ("evil.example#", as_aws),
        ] {
            assert_eq!(parse(name, true), Err(format!("X is {name:?}, which is no region: {remedy}")));
        }
        for name in ["default", "garage", "null", "us-east-1-fips"] {
            assert_eq!(parse(name, false), Ok(name.to_owned()));
        }
        assert_eq!(parse("", false), Err("X is empty: name a region, such as eu-central-1".to_owned()));
        assert_eq!(parse("Default zone", false), Ok("Default zone".to_owned()));
        assert!(parse("a\nb", false).is_err());
    }

    #[test]
    fn a_window_is_two_fractions_in_order() {
        for (start, end) in [(0.6, 0.75), (0.1, 0.9), (0.5, 0.5)] {
            assert_eq!(text(refresh_window(given(start..=end))), Ok(start..=end));
        }
        for (start, end) in [(0.09, 0.5), (0.5, 0.91), (f64::NAN, 0.5), (0.5, f64::NAN), (-1.0, f64::INFINITY)] {
            assert!(refresh_window(given(start..=end)).is_err(), "{start} {end}");
        }
        assert_eq!(
            text(refresh_window(given(0.75..=0.6))),
            Err("X is 0.75..=0.6: give fractions of the credentials' lifetime within \
                 0.10..=0.90, the lower one first; the default is 0.60..=0.75"
                .to_owned())
        );
    }

    #[test]
    fn times_have_bounds_that_their_errors_name() {
        assert_eq!(
            text(attempt_timeout(Duration::ZERO)),
            Err("Builder::attempt_timeout is 0ns: give 10ms to 60s; it bounds one exchange with STS, 8s by default"
                .to_owned())
        );
        assert_eq!(
            text(connect_timeout(Duration::from_secs(61))),
            Err("Builder::connect_timeout is 61s: give 10ms to 60s; it bounds one connection to STS, 2s by default"
                .to_owned())
        );
        for time in [Duration::from_millis(10), Duration::from_secs(60)] {
            assert!(connect_timeout(time).is_ok());
        }
        assert_eq!(
            text(wait_timeout(given(Duration::MAX))),
            Err("X is 18446744073709551615.999999999s: give 1ms to 43200s; 30s by default; ready() \
                 waits without limit"
                .to_owned())
        );
        assert_eq!(
            text(token_poll_interval(Duration::from_millis(999))),
            Err("Builder::token_poll_interval is 999ms: give 1s to 300s; 30s by default, a look costs microseconds"
                .to_owned())
        );
        assert!(attempt_timeout(Duration::from_secs(61)).is_err());
        assert!(wait_timeout(given(Duration::ZERO)).is_err());
        assert!(token_poll_interval(Duration::from_secs(301)).is_err());
        for seconds in [1, 30, 60] {
            let time = Duration::from_secs(seconds);
            assert!(
                attempt_timeout(time).is_ok() && wait_timeout(given(time)).is_ok() && token_poll_interval(time).is_ok()
            );
        }
    }

    #[test]
    fn p9_a_token_in_the_wrong_place_is_not_repeated() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOjF9.canary";

        assert_eq!(
            text(token_file(given(PathBuf::from(token)))),
            Err("X is a token itself: give the path of the file that holds it; treat this token as leaked".to_owned())
        );
        assert!(!text(session_name(given(token.to_owned() + "/"))).unwrap_err().contains("canary"));
        assert!(text(token_file(given(PathBuf::new()))).unwrap_err().starts_with("X is empty: give the path"));
    }

    #[test]
    fn path_that_is_none_is_refused_with_its_remedy() {
        for (path, remedy) in [
            ("\"/run/token\"", "take the quotes and blanks around it out"),
            ("/run/token\n", "take the quotes and blanks around it out"),
            (" token", "take the quotes and blanks around it out"),
            ("~/token", "no shell replaces ~ here; write the path out, from the / on"),
            ("$(DIR)/token", "nothing has replaced the variable in it; "),
            ("/run/${NAME}/token", "nothing has replaced the variable in it; "),
            ("$DIR/token", "nothing has replaced the variable in it; "),
            ("{{ .Values.file }}", "nothing has replaced the variable in it; "),
            ("/run/\0token", "take the control characters out"),
            ("/run/secrets/", "this is a directory; name the file in it"),
        ] {
            let error = text(token_file(given(path.into()))).unwrap_err();
            assert!(error.starts_with(&format!("X is {path:?}, which is no path of a file: {remedy}")), "{error}");
        }
        for url in ["file:///run/token", "file:/run/token", "https://me:canary@vault.example/token"] {
            let error = text(token_file(given(url.into()))).unwrap_err();
            assert!(error.starts_with("X is a URL: write the path alone, without file://"), "{error}");
        }
        for path in ["token", "./token", "/run/a b/token~", "/run/..data/token", "C:\\token"] {
            assert_eq!(text(token_file(given(path.into()))), Ok(path.into()));
        }
    }
}
