//! Traces from lines. Those of access logs were written by the servers named; hosts, names and agents are cut.

use super::*;

fn read(text: &str) -> Result<(Trace, Notes), TraceError> {
    Trace::read(text.as_bytes(), false)
}

fn request(at_ms: u64, key: u64, size: u64) -> Request {
    Request { at_ms, key, size }
}

/// What a line says of the object: name, size, and the part that was seen.
fn seen(text: &str) -> (String, u64, Part) {
    match line::read(text, false) {
        Line::View(seen) => (seen.id, seen.size, seen.part),
        other => panic!("{other:?} of {text}"),
    }
}

#[test]
fn lines_become_requests_for_objects_or_extents() {
    let (trace, notes) =
        read("# a comment\n10 film 250\n10.5 cover 30\n\n12 film 250 90-120\n").unwrap();
    let whole = [
        request(0, 0, 250),
        request(500, 1, 30),
        request(2000, 0, 250),
    ];
    assert_eq!(trace.requests(None).unwrap(), whole);
    let extents = [
        request(0, 0, 100),
        request(0, 1, 100),
        request(0, 2, 50),
        request(500, 3, 30),
        request(2000, 0, 100),
        request(2000, 1, 100),
    ];
    assert_eq!(trace.requests(Some(100)).unwrap(), extents);
    assert_eq!(notes.to_string(), "3 views of 2 objects in 5 lines");
}

#[test]
fn the_largest_size_counts_and_ranges_end_with_the_object() {
    let (trace, _) = read("1 a 10\n2 a 25\n3 a 5 20-99").unwrap();
    let whole = [0, 1000, 2000].map(|at_ms| request(at_ms, 0, 25));
    assert_eq!(trace.requests(None).unwrap(), whole);
    assert_eq!(
        trace.requests(Some(10)).unwrap().last(),
        Some(&request(2000, 2, 5))
    );
}

#[test]
fn what_cannot_be_read_is_counted_and_the_first_is_named() {
    for bad in [
        "1 a",
        "x a 1",
        "1 a 1 5",
        "1 a 1 5-2",
        "1 a 1 1-2 more",
        "-1 a 1",
        "{\"status\":200}",
        "{\"level\":\"info\"",
        "1.2.3.4 - - [29/Nov/2026:02:50:01 +0000] \"GET / HTTP/1.1\" OK 5",
        "1.2.3.4 - - [yesterday] \"GET / HTTP/1.1\" 200 5",
    ] {
        let (trace, notes) = read(&format!("1 a 1\n{bad}\n2 a 1\nworse")).unwrap();
        assert_eq!(trace.requests(None).unwrap().len(), 2);
        assert_eq!(notes.unreadable, 2, "{bad}");
        assert_eq!(notes.first_unreadable, Some((2, bad.to_owned())));
        let told = notes.to_string();
        assert!(told.contains("2 cannot be read, first line 2"), "{told}");
    }
}

#[test]
fn a_line_without_end_and_bytes_that_are_no_text_hold_nothing_up() {
    let mut log = b"1 a 1\n".to_vec();
    log.resize(log.len() + 300_000, b'x');
    log.extend(b"\n2 \xff\xfe 7\n3 a 1");
    let (trace, notes) = Trace::read(&log[..], false).unwrap();
    let requests = trace.requests(None).unwrap();
    assert_eq!(
        requests,
        [request(0, 0, 1), request(1000, 1, 7), request(2000, 0, 1)]
    );
    assert_eq!((notes.lines, notes.unreadable), (4, 1));
}

#[test]
fn a_log_of_which_nothing_can_be_read_says_what_is_understood() {
    for log in ["", "# no\n", "\u{1f}\u{8b}\u{8}zipped\n", "a\nb\n{}\n"] {
        let error = read(log).unwrap_err().to_string();
        for part in ["time id size", "common", "combined", "JSON", "zcat"] {
            assert!(error.contains(part), "{error}");
        }
    }
    let error = read("a\nb").unwrap_err().to_string();
    assert!(error.contains("first line 1: \"a\""), "{error}");
    let only_head = r#"::1 - - [29/Nov/2026:02:50:01 +0000] "HEAD / HTTP/1.1" 200 0"#;
    let error = read(only_head).unwrap_err().to_string();
    assert!(error.contains("1 left out"), "{error}");
}

#[test]
fn views_are_put_in_order_of_their_times() {
    let (trace, _) = read("30 late 5\n10 early 3\n20 late 5").unwrap();
    let expected = [
        request(0, 0, 3),
        request(10_000, 1, 5),
        request(20_000, 1, 5),
    ];
    assert_eq!(trace.requests(None).unwrap(), expected);
}

#[test]
fn own_log_lines_are_read() {
    let line = |time: &str, method: &str, path: &str, status: u16, bytes: u64| {
        format!(
            r#"{{"timestamp":"{time}","level":"DEBUG","message":"request","id":"1","method":"{method}","path":"{path}","status":{status},"bytes":{bytes},"seconds":0.1,"peer":"None","target":"http"}}"#
        )
    };
    let log = [
        line("2024-02-29T23:59:59.500000Z", "GET", "/api/v1/assets/7", 200, 90),
        line("2024-02-29T23:59:59.600000Z", "HEAD", "/api/v1/assets/7", 200, 0),
        line("2024-02-29T23:59:59.700000Z", "GET", "/api/v1/status", 200, 10),
        r#"{"timestamp":"2024-02-29T23:59:59.8Z","level":"INFO","message":"serving","target":"argus"}"#
            .to_owned(),
        line("2024-03-01T00:00:01.250000Z", "GET", "/api/v1/assets/7", 206, 20),
    ];
    let (trace, notes) = read(&log.join("\n")).unwrap();
    let requests = trace.requests(None).unwrap();
    assert_eq!(requests, [request(0, 0, 90), request(1750, 0, 90)]);
    assert_eq!(
        (notes.left_out, notes.unreadable, notes.somewhere),
        (3, 0, 1)
    );
    assert_eq!(trace.requests(Some(10)).unwrap().len(), 9 + 2);
    let part = line("2024-03-01T00:00:02Z", "GET", "/api/v1/assets/7", 206, 20);
    let part = part.replace("206,", r#"206,"content_range":"bytes 10-29/90","#);
    let expected = ("/api/v1/assets/7".to_owned(), 90, Part::Range(10, 29));
    assert_eq!(seen(&part), expected);
}

#[test]
fn lines_of_text_are_read_as_the_servers_write_them() {
    let asset = || "/api/v1/assets/2".to_owned();
    for (server, text, expected) in [
        (
            "nginx, combined",
            r#"127.0.0.1 - - [29/Nov/2026:02:47:43 +0000] "GET /api/v1/assets/2 HTTP/1.1" 200 3000000 "-" "-""#,
            (asset(), 3_000_000, Part::Whole),
        ),
        (
            "nginx, with $http_range and $sent_http_content_range behind",
            r#"127.0.0.1 - - [29/Nov/2026:02:47:43 +0000] "GET /api/v1/assets/1 HTTP/1.1" 206 134892 "-" "-" "bytes=1365108-2365108" "bytes 1365108-1499999/1500000""#,
            (
                "/api/v1/assets/1".to_owned(),
                1_500_000,
                Part::Range(1_365_108, 1_499_999),
            ),
        ),
        (
            "nginx, with $http_range behind",
            r#"127.0.0.1 - - [29/Nov/2026:02:47:43 +0000] "GET /api/v1/assets/2 HTTP/1.1" 206 134892 "-" "-" "bytes=1365108-2365108""#,
            (asset(), 1_500_000, Part::Range(1_365_108, 1_499_999)),
        ),
        (
            "Apache, vhost_combined, which counts the head",
            r#"localhost:80 127.0.0.1 - - [29/Nov/2026:02:48:26 +0000] "GET /api/v1/assets/2 HTTP/1.1" 206 358 "-" "a \"quoted\\\" agent""#,
            (asset(), 358, Part::Somewhere(358)),
        ),
        (
            "Apache, common",
            r#"127.0.0.1 - - [29/Nov/2026:02:48:26 +0000] "GET /pic.jpg?q=%22x%22 HTTP/1.1" 200 40000"#,
            ("/pic.jpg".to_owned(), 40_000, Part::Whole),
        ),
        (
            "varnishncsa",
            r#"127.0.0.1 - - [29/Nov/2026:02:48:27 +0000] "GET http://127.0.0.1:18084/api/v1/assets/2 HTTP/1.1" 206 100 "-" "a \"quoted\\\" agent""#,
            (
                "http://127.0.0.1:18084/api/v1/assets/2".to_owned(),
                100,
                Part::Somewhere(100),
            ),
        ),
        (
            "a host in brackets, a user with a bracket, no version",
            r#"[::1]:80 ::1 - a[b [29/Nov/2026:02:48:26 +0000] "GET /pic.jpg" 200 7"#,
            ("/pic.jpg".to_owned(), 7, Part::Whole),
        ),
    ] {
        assert_eq!(seen(text), expected, "{server}");
    }
}

#[test]
fn lines_of_json_are_read_as_the_servers_write_them() {
    let asset = || "/api/v1/assets/2".to_owned();
    for (server, text, expected) in [
        (
            "nginx",
            r#"{"time_iso8601":"2026-11-29T02:47:43+00:00","remote_addr":"127.0.0.1","request_method":"GET","request_uri":"/api/v1/assets/2","status":206,"body_bytes_sent":134892,"http_range":"bytes=1365108-2365108","sent_http_content_range":"bytes 1365108-1499999/3000000","request_time":0.000}"#,
            (asset(), 3_000_000, Part::Range(1_365_108, 1_499_999)),
        ),
        (
            "nginx, all as text, the request whole",
            r#"{"msec":"1795920463.252","request":"GET /api/v1/assets/2 HTTP/1.1","status":"206","bytes_sent":"134892"}"#,
            (asset(), 134_892, Part::Somewhere(134_892)),
        ),
        (
            "Caddy",
            r#"{"level":"info","ts":1795920507.0530653,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"127.0.0.1","remote_port":"58798","proto":"HTTP/1.1","method":"GET","host":"127.0.0.1:18083","uri":"/api/v1/assets/2","headers":{"Range":["bytes=100-199"],"Accept":["*/*"]}},"user_id":"","duration":0.00020835,"size":100,"status":206,"resp_headers":{"Content-Range":["bytes 100-199/3000000"],"Server":["Caddy"],"Content-Type":[]}}"#,
            (asset(), 3_000_000, Part::Range(100, 199)),
        ),
    ] {
        assert_eq!(seen(text), expected, "{server}");
    }
    let message = r#"{"level":"info","ts":1795920502.1,"msg":"serving initial configuration"}"#;
    assert_eq!(line::read(message, false), Line::LeftOut);
}

#[test]
fn what_is_no_sent_body_is_left_out() {
    for text in [
        r#"127.0.0.1 - - [29/Nov/2026:02:48:26 +0000] "HEAD /pic.jpg HTTP/1.1" 200 -"#,
        r#"127.0.0.1 - - [29/Nov/2026:02:48:26 +0000] "GET /none HTTP/1.1" 404 236"#,
        r#"127.0.0.1 - - [29/Nov/2026:02:48:26 +0000] "GET /pic.jpg HTTP/1.1" 304 -"#,
        r#"127.0.0.1 - - [29/Nov/2026:02:48:26 +0000] "POST /api HTTP/1.1" 200 12"#,
        r#"127.0.0.1 - - [29/Nov/2026:02:47:44 +0000] "\x16\x03\x01\x02junk" 400 157 "-" "-""#,
        r#"127.0.0.1 - - [29/Nov/2026:02:47:44 +0000] "" 400 0 "-" "-""#,
        r#"{"ts":1795920507.08,"request":{"method":"GET","uri":"/none","headers":{}},"size":0,"status":404}"#,
    ] {
        assert_eq!(line::read(text, false), Line::LeftOut, "{text}");
    }
}

#[test]
fn times_of_all_forms_are_the_same_moment() {
    for time in [
        "29/Nov/2026:02:48:27 +0000",
        "28/Nov/2026:21:48:27 -0500",
        "2026-11-29T02:48:27Z",
        "2026-11-29T03:48:27.000000+01:00",
        "2026-11-29T02:48:27.000+0000",
        "1795920507.000",
    ] {
        assert_eq!(line::unix_ms(time), Some(1_795_920_507_000), "{time}");
    }
    assert_eq!(line::unix_ms("1795920507.25"), Some(1_795_920_507_250));
    for bad in ["", "-5", "NaN", "29/Nov/1926:02:48:27 +0000", "tomorrow"] {
        assert_eq!(line::unix_ms(bad), None, "{bad}");
    }
}

#[test]
fn where_a_range_was_counts_if_the_log_says_it() {
    let part = |range: &'static str, content_range: &'static str| {
        let said = |text: &'static str| (!text.is_empty()).then_some(text);
        let answer = line::Answer {
            method: "GET",
            target: "/film?token=1#t=2",
            status: 206,
            bytes: 50,
            range: said(range),
            content_range: said(content_range),
            ..Default::default()
        };
        match answer.line(false) {
            Line::View(seen) => (seen.id, seen.size, seen.is_whole_size, seen.part),
            other => panic!("{other:?}"),
        }
    };
    for (range, content_range, size, is_whole_size, seen) in [
        ("", "bytes 100-199/300", 300, true, Part::Range(100, 149)),
        ("", "bytes 100-119/300", 300, true, Part::Range(100, 119)),
        ("", "bytes 100-119/*", 120, false, Part::Range(100, 119)),
        ("bytes=0-", "bytes 9-1/4", 50, false, Part::Range(0, 49)),
        ("bytes=100-119", "", 120, false, Part::Range(100, 119)),
        ("bytes=100-", "-", 150, false, Part::Range(100, 149)),
        ("bytes=-20", "", 50, false, Part::Somewhere(50)),
        ("bytes=0-9,20-29", "", 50, false, Part::Somewhere(50)),
        ("-", "-", 50, false, Part::Somewhere(50)),
        ("bytes=x", "bytes x", 50, false, Part::Somewhere(50)),
        // Numbers nobody means.
        (
            "bytes=18446744073709551614-",
            "",
            50,
            false,
            Part::Somewhere(50),
        ),
        (
            "",
            "bytes 0-18446744073709551615/5",
            50,
            false,
            Part::Somewhere(50),
        ),
    ] {
        let expected = ("/film".to_owned(), size, is_whole_size, seen);
        assert_eq!(
            part(range, content_range),
            expected,
            "{range} {content_range}"
        );
    }
}

#[test]
fn queries_name_objects_if_that_is_wanted() {
    let text = |query: &str| {
        format!(r#"::1 - - [29/Nov/2026:02:48:26 +0000] "GET /get?id={query} HTTP/1.1" 200 5"#)
    };
    let log = [text("1"), text("2")].join("\n");
    for (keep_query, objects) in [(false, 1), (true, 2)] {
        let (_, notes) = Trace::read(log.as_bytes(), keep_query).unwrap();
        assert_eq!(notes.objects, objects);
    }
}
