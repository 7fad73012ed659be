//! What is found, counted and listed, in which order, and what is refused.

use super::*;

#[test]
fn an_event_is_read_back_as_it_was() {
    let stored = event(1, TODAY_MS + 7, "Accepted publickey for đức from 10.0.0.7");
    let (_directory, store) = filled(std::slice::from_ref(&stored));
    assert_eq!(store.get(&stored.id).unwrap(), Some(stored.clone()));
    assert_eq!(store.search(&EventQuery::default()).unwrap().events, [stored]);
    assert_eq!(store.get(&EventId([0; 16])).unwrap(), None);
}

#[test]
fn vietnamese_is_found_without_and_with_diacritics() {
    let (_directory, store) = filled(&[
        event(1, TODAY_MS + 1, "Sao lưu cơ sở dữ liệu thất bại trên máy chủ Đông"),
        event(2, TODAY_MS + 2, "Đăng nhập thành công"),
        event(3, TODAY_MS + 3, "Failed password for root from 10.0.0.7 port 22"),
    ]);
    for query in ["sao luu", "SAO LƯU", "dữ liệu", "du lieu dong", "\"sao luu co so\"", "Đông"]
    {
        assert_eq!(messages(&store, &text(query)).len(), 1, "{query}");
    }
    assert_eq!(messages(&store, &text("dang nhap")), ["Đăng nhập thành công"]);
    assert_eq!(
        messages(&store, &text("10.0.0.7 -failed")).len(),
        2,
        "the address is a field of each"
    );
    assert_eq!(messages(&store, &text("-failed -nhập")).len(), 1);
    assert_eq!(messages(&store, &text("\"luu sao\"")).len(), 0, "words in quotes keep their order");
    assert_eq!(messages(&store, &text("  ...  ")).len(), 3);
    assert_eq!(messages(&store, &text("nothing")).len(), 0);
}

#[test]
fn filters_narrow_and_pages_follow_each_other() {
    let events: Vec<_> = (0..50)
        .map(|at| {
            // Three days, and many in one millisecond.
            let day = i64::try_from(at % 3).unwrap();
            event(at, TODAY_MS + day * DAY_MS + i64::try_from(at / 20).unwrap(), "a")
        })
        .collect();
    let (_directory, store) = filled(&events);
    let mut query = EventQuery { limit: 7, ..EventQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.search(&query).unwrap();
        assert_eq!(page.total, 50);
        seen.extend(page.events.iter().map(|event| (event.event.time_ms, event.id)));
        let Some(next) = page.next else { break };
        query.before = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(seen.len(), 50);
    assert!(seen.is_sorted_by(|one, other| one > other), "the newest first, none twice");

    let host = EventQuery { host: HostId::new("bk-srv01").ok(), ..EventQuery::default() };
    assert_eq!(store.search(&host).unwrap().total, 25);
    let user = vec![("User".to_owned(), "user1".to_owned())];
    let user = EventQuery { fields: user, ..EventQuery::default() };
    assert_eq!(store.search(&user).unwrap().total, 17);
    let severe = EventQuery { severity_min: Some(Severity::Medium), ..EventQuery::default() };
    assert_eq!(store.search(&severe).unwrap().total, 0);
}

#[test]
fn events_of_one_time_are_listed_by_arrival_and_stay_so_over_pages_commits_and_replays() {
    let directory = tempdir().unwrap();
    let arrived: Vec<Arrived> = (0..40)
        .map(|at| Arrived { arrival: at, event: event(at, TODAY_MS, &at.to_string()) })
        .collect();
    let store = open(&directory);
    store.append(&arrived[..25]).unwrap();
    store.commit(1).unwrap();
    // A crash: the last of these are given again, in another batch.
    store.append(&arrived[20..]).unwrap();
    store.commit(2).unwrap();
    let mut query = EventQuery { limit: 7, ..EventQuery::default() };
    let mut seen: Vec<u64> = Vec::new();
    loop {
        let page = store.search(&query).unwrap();
        seen.extend(page.events.iter().map(|event| event.event.message.parse::<u64>().unwrap()));
        let Some(next) = page.next else { break };
        query.before = Some(next);
    }
    assert_eq!(seen, (0..40).rev().collect::<Vec<_>>());
}

#[test]
fn a_wrong_clock_neither_hides_an_event_nor_puts_it_on_top() {
    let mut past = event(1, TODAY_MS + 1_000, "past");
    past.event.time_ms = 0;
    let mut future = event(2, TODAY_MS + 1_000, "future");
    future.event.time_ms = TODAY_MS + 400 * DAY_MS;
    let mut backlog = event(3, TODAY_MS + 1_000, "backlog");
    backlog.event.time_ms = TODAY_MS - 2 * DAY_MS;
    let now = event(4, TODAY_MS + 2_000, "now");
    let (_directory, store) = filled(&[past, future, backlog, now]);
    let found = messages(&store, &EventQuery::default());
    assert_eq!((found[0].as_str(), found[3].as_str()), ("now", "backlog"));
    let recent = EventQuery { from_ms: Some(TODAY_MS), ..EventQuery::default() };
    assert_eq!(messages(&store, &recent).len(), 3);
    let two_days_ago = EventQuery {
        from_ms: Some(TODAY_MS - 2 * DAY_MS),
        to_ms: Some(TODAY_MS - 2 * DAY_MS),
        ..EventQuery::default()
    };
    assert_eq!(messages(&store, &two_days_ago), ["backlog"]);
}

#[test]
fn counts_by_time_and_by_value() {
    let events: Vec<_> = (0..9)
        .map(|at| event(at, TODAY_MS + 5 + i64::try_from(at).unwrap() * 1_000, "a"))
        .collect();
    let (_directory, store) = filled(&events);
    let range = EventQuery {
        from_ms: Some(TODAY_MS),
        to_ms: Some(TODAY_MS + 8_999),
        ..EventQuery::default()
    };
    let buckets = store.histogram(&range, 4_000).unwrap();
    let counts: Vec<_> = buckets.iter().map(|bucket| bucket.events).collect();
    assert_eq!(counts, [4, 4, 1]);
    assert_eq!(buckets[1].start_ms, TODAY_MS + 4_000);
    let hosts = store.top_values(&range, "host", 10).unwrap();
    let hosts: Vec<_> = hosts.iter().map(|top| (top.value.as_str(), top.events)).collect();
    assert_eq!(hosts, [("dc1-srv01", 5), ("bk-srv01", 4)]);
    let users = store.top_values(&range, ".User", 2).unwrap();
    assert_eq!((users.len(), users[0].value.as_str(), users[0].events), (2, "user0", 3));
    assert!(store.top_values(&range, ".Nothing", 2).unwrap().is_empty());
}

#[test]
fn questions_beyond_the_bounds_are_refused_with_their_reason() {
    let (_directory, store) = filled(&[]);
    let refused = |query: &EventQuery| match store.search(query) {
        Err(EventStoreError::Query(refused)) => refused,
        other => panic!("{other:?}"),
    };
    let all = EventQuery::default();
    assert_eq!(refused(&EventQuery { limit: 0, ..all.clone() }), QueryError::Limit(0));
    assert_eq!(refused(&EventQuery { limit: 1_001, ..all.clone() }), QueryError::Limit(1_001));
    assert!(store.search(&EventQuery { limit: 1_000, ..all.clone() }).is_ok());
    let backwards = EventQuery { from_ms: Some(2), to_ms: Some(1), ..all.clone() };
    assert_eq!(refused(&backwards), QueryError::Range);
    assert_eq!(refused(&text(&"a ".repeat(33))), QueryError::Words(33));
    assert!(store.search(&text(&"a ".repeat(32))).is_ok());
    assert!(store.histogram(&all, 1_000).is_err());
    let wide = EventQuery { from_ms: Some(0), to_ms: Some(DAY_MS), ..all.clone() };
    assert!(store.histogram(&wide, 1).is_err());
    assert!(store.top_values(&wide, "host", 101).is_err());
    assert!("12-x".parse::<crate::Cursor>().is_err());
}

fn any_event() -> impl Strategy<Value = HostEvent> {
    let words = prop::collection::vec(
        prop::sample::select(vec!["sao", "lưu", "Đăng", "nhập", "root", "10.0.0.7", "lỗi"]),
        1..5,
    );
    (0_u64..1_000, 0..3 * DAY_MS, -3 * DAY_MS..70_000_i64, words, 1_u32..=5).prop_map(
        |(number, received, offset, words, severity)| {
            let mut event = event(number, TODAY_MS + received, &words.join(" "));
            event.event.time_ms = event.received_ms + offset;
            event.event.severity = Severity::from_id(severity);
            event
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_agrees_with_a_plain_filter(
        events in prop::collection::vec(any_event(), 1..40),
        word in prop::option::of(prop::sample::select(vec!["luu", "LƯU", "dang", "root", "lỗi"])),
        host in prop::option::of(prop::sample::select(vec!["dc1-srv01", "bk-srv01"])),
        severity in prop::option::of(1_u32..=5),
        from in prop::option::of(-DAY_MS..3 * DAY_MS),
        limit in 1_usize..10,
    ) {
        let query = EventQuery {
            text: word.unwrap_or_default().to_owned(),
            host: host.map(|host| HostId::new(host).unwrap()),
            severity_min: severity.map(Severity::from_id),
            from_ms: from.map(|from| TODAY_MS + from),
            limit,
            ..EventQuery::default()
        };
        let (_directory, store) = filled(&events);
        let mut unique: BTreeMap<_, &HostEvent> = BTreeMap::new();
        for event in &events {
            unique.entry((event.id, Day::of(event.received_ms))).or_insert(event);
        }
        let when_ms = crate::document::when_ms;
        let mut expected: Vec<&HostEvent> = unique.into_values().filter(|event| {
            fold(&event.event.message).contains(&fold(&query.text))
                && query.host.as_ref().is_none_or(|host| *host == event.host)
                && query.severity_min.is_none_or(|least| event.event.severity >= least)
                && query.from_ms.is_none_or(|from_ms| when_ms(event) >= from_ms)
        }).collect();
        expected.sort_by_key(|event| std::cmp::Reverse((when_ms(event), event.id)));
        let page = store.search(&query).unwrap();
        prop_assert_eq!(page.total, expected.len() as u64);
        prop_assert_eq!(page.next.is_some(), expected.len() > limit);
        expected.truncate(limit);
        let ids = |events: Vec<&HostEvent>| -> Vec<_> {
            events.into_iter().map(|event| (event.id, event.received_ms)).collect()
        };
        prop_assert_eq!(ids(page.events.iter().collect()), ids(expected));
    }
}
