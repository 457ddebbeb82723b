use super::*;

fn event(id: usize, message: &str) -> LogEvent {
    LogEvent {
        id,
        timestamp: 1_764_400_000_000 + id as u64,
        ingested: 1_764_400_000_000,
        message: message.into(),
    }
}

/// The messages that a query finds, in its order, or why it is not known.
fn find(text: &str) -> Result<Vec<String>, String> {
    let lines = [
        "INFO start",
        "ERROR git push rejected",
        "{\"level\":\"error\",\"n\":3,\"at\":{\"step\":[\"build\"]}}",
        "{\"level\":\"info\",\"n\":20}",
        "done | all",
    ];
    let events: Vec<LogEvent> = lines
        .iter()
        .enumerate()
        .map(|(n, line)| event(n, line))
        .collect();
    let lines = events.iter().map(|event| Line {
        group: "g",
        stream: "s",
        event,
    });
    let answer = Query::parse(text)?.run(lines);
    let rows = answer["results"].as_array().unwrap();
    Ok(rows
        .iter()
        .map(|row| row[0]["value"].as_str().unwrap_or_default().to_owned())
        .collect())
}

#[test]
fn lines_are_looked_up_by_text_expression_and_field() {
    let found = |filter: &str| {
        let query = format!("fields @message | filter {filter} | sort @timestamp asc");
        find(&query).unwrap()
    };
    let error = "ERROR git push rejected";
    assert_eq!(found("@message like \"push\""), [error]);
    assert_eq!(found("@message like /(?i)error/").len(), 2);
    assert_eq!(found("@message like /^ERROR|start$/").len(), 2);
    assert_eq!(found("@message like 'done |'"), ["done | all"]);
    assert_eq!(
        found("@message not like /INFO|level/"),
        [error, "done | all"]
    );
    assert_eq!(found("level = 'error' and n > 2").len(), 1);
    assert_eq!(found("n >= 3 and not (level = \"info\")").len(), 1);
    assert_eq!(found("level in ['info', 'error']").len(), 2);
    assert_eq!(found("at.step.0 = 'build' or n = 20").len(), 2);
    assert_eq!(found("ispresent(n)").len(), 2);
    assert_eq!(found("n != 3 and n < 100").len(), 1);
    assert_eq!(found("@logStream = 's'").len(), 5);
}

#[test]
fn they_come_in_order_and_as_many_as_asked_for() {
    assert_eq!(
        find("fields @message | limit 2").unwrap(),
        ["done | all", "{\"level\":\"info\",\"n\":20}"]
    );
    let by_number = "filter ispresent(n)\n| fields n\n# numbers, not texts\n| sort n asc";
    assert_eq!(find(by_number).unwrap(), ["3", "20"]);
    assert_eq!(
        find("filter @message like /ERROR/ | stats count(*) as errors").unwrap(),
        ["1"]
    );
    assert_eq!(find("").unwrap()[4], "2025-11-29 07:06:40.000");
}

#[test]
fn what_is_not_known_is_refused() {
    for query in [
        "parse @message '*' as x",
        "stats avg(n) by bin(5m)",
        "filter @message like",
        "filter",
        "fields @message, | limit 2",
        "limit 0",
        "filter @message like /(/",
        "fields @message | filter level = 'x",
    ] {
        assert!(find(query).is_err(), "{query}");
    }
}
