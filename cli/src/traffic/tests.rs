use super::*;

fn exchanges(text: &str) -> (Vec<Exchange>, u64) {
    let mut all = Vec::new();
    let skipped = read(text.as_bytes(), Format::Auto, &mut |exchange| {
        all.push(exchange);
        Ok(())
    });
    (all, skipped.unwrap())
}

#[test]
fn an_archive_is_read_entry_by_entry() {
    let text = r#" {"log": {"version": "1.2", "entries": [
        {"startedDateTime": "2026-01-01T01:00:00.500+01:00",
         "request": {"method": "POST", "url": "https://shop.example:8443/a?b=c#d",
                     "headers": [{"name": ":authority", "value": "x"}, {"name": "X-A", "value": "1"}],
                     "postData": {"mimeType": "text/plain", "text": "hello"}},
         "response": {"status": 200, "headers": [{"name": "Content-Encoding", "value": "gzip"}],
                      "content": {"size": 2, "text": "aGk=", "encoding": "base64"}}},
        {"request": {"method": "GET", "url": "nonsense"}},
        {"request": {"method": "GET", "url": "http://shop.example?x=1"}}], "pages": []}}"#;
    let (all, skipped) = exchanges(text);
    assert_eq!((all.len(), skipped), (2, 1));
    let [first, last] = &all[..] else { panic!("two") };
    assert_eq!(first.at, Some(Millis::new(1_767_225_600_500)));
    assert_eq!(first.field(":path").as_deref(), Some("/a?b=c"));
    assert_eq!(first.field(":authority").as_deref(), Some("shop.example:8443"));
    assert_eq!(first.field("x-a").as_deref(), Some("1"));
    assert_eq!((first.body.as_slice(), first.answer.as_deref()), (&b"hello"[..], Some(&b"hi"[..])));
    assert!(first.answer_fields.is_empty());
    assert_eq!((last.field(":path").as_deref(), last.status), (Some("/?x=1"), None));
}

#[test]
fn an_access_log_is_read_line_by_line() {
    let text = "starting\n[2026-01-01][info] {\"method\": \"GET\", \"path\": \"/a\", \"time\": \"2026-01-01T00:00:00Z\", \
                \"source\": \"192.0.2.7:1234\", \"response_code\": 404, \"bytes_received\": \"5\", \"user_agent\": \"-\", \
                \"request_headers\": {\"X-A\": \"1\"}}\n{\"broken\n";
    let (all, skipped) = exchanges(text);
    assert_eq!((all.len(), skipped), (1, 2));
    assert_eq!(all[0].source, Some("192.0.2.7".parse().unwrap()));
    assert_eq!((all[0].status, all[0].lacks_body, all[0].has_fields), (Some(404), true, true));
    assert_eq!((all[0].field("user-agent"), all[0].field("x-a").as_deref()), (None, Some("1")));
}

#[test]
fn traces_are_read_one_after_the_other() {
    let trace = r#"{"http_buffered_trace": {
        "request": {"headers": [{"key": ":method", "value": "PUT"}, {"key": ":path", "value": "/x"},
                                {"key": ":authority", "value": "api.example"}], "body": {"as_bytes": "e30="}},
        "response": {"headers": [{"key": ":status", "value": "201"}], "body": {"as_string": "ok"}},
        "downstream_connection": {"remote_address": {"socket_address": {"address": "192.0.2.9", "port_value": 1}}}}}"#;
    let (all, skipped) = exchanges(&format!("{trace}\n{trace}\n{{}}"));
    assert_eq!((all.len(), skipped), (2, 1));
    assert_eq!((all[1].body.as_slice(), all[1].status, all[1].answer_bytes), (&b"{}"[..], Some(201), 2));
    assert_eq!(all[1].source, Some("192.0.2.9".parse().unwrap()));
}

#[test]
fn what_is_broken_is_told() {
    for (text, format) in
        [("{\"log\": {\"entries\": [", Format::Auto), ("{\"log\": 1}", Format::Har), ("{", Format::Tap)]
    {
        assert!(read(text.as_bytes(), format, &mut |_| Ok(())).is_err(), "{text}");
    }
}
