//! What a browser sees, and requests in forms that the SDK does not write.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{BUCKET, client, put};
use crate::cloud::Cloud;
use crate::cloud::tests::{cloud, front, recorded, soon};

/// Sends a request that nobody signed. Returns the head of the answer and its body.
async fn ask(cloud: &Cloud, request: &str, host: &str, more: &str) -> (String, String) {
    let address = front(cloud).url().replace("http://", "");
    let port = address.split(':').next_back().unwrap();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let text =
        format!("{request} HTTP/1.1\r\nhost: {host}:{port}\r\n{more}connection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn allow_all_to_read(s3: &aws_sdk_s3::Client) {
    let policy = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
           "Resource":"arn:aws:s3:::{BUCKET}/*"}}}}"#
    );
    let policy = s3.put_bucket_policy().bucket(BUCKET).policy(policy);
    soon(policy.send()).await.unwrap();
}

#[tokio::test]
async fn nobody_reads_what_no_policy_allows() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    put(&s3, BUCKET, "index.html", "hello").await.unwrap();
    let path = format!("GET /{BUCKET}/index.html");
    let (head, body) = ask(&cloud, &path, "127.0.0.1", "").await;
    assert!(
        head.starts_with("http/1.1 403") && body.contains("AccessDenied"),
        "{head}"
    );
    allow_all_to_read(&s3).await;
    let (head, body) = ask(&cloud, &path, "127.0.0.1", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, "hello");
    let virtual_host = format!("{BUCKET}.localhost");
    let (_, body) = ask(&cloud, "GET /index.html", &virtual_host, "").await;
    assert_eq!(body, "hello");
    // To read is not to write, and who may not list does not learn what is missing.
    let (head, _) = ask(&cloud, &path.replace("GET", "DELETE"), "localhost", "").await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    let (head, _) = ask(&cloud, &format!("GET /{BUCKET}/never"), "localhost", "").await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    let (head, _) = ask(&cloud, "GET /", "s3.us-west-2.amazonaws.com", "").await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    assert_eq!(cloud.sites()[&crate::cloud::tests::home().client].len(), 1);
}

#[tokio::test]
async fn a_browser_sees_the_site_and_that_is_not_recorded() {
    use aws_sdk_s3::types::{ErrorDocument, IndexDocument, WebsiteConfiguration};

    let cloud = cloud();
    let s3 = client(&cloud).await;
    for key in ["index.html", "blog/index.html", "404.html"] {
        put(&s3, BUCKET, key, key).await.unwrap();
    }
    allow_all_to_read(&s3).await;
    let host = format!("{BUCKET}.s3-website.localhost");
    let (head, _) = ask(&cloud, "GET /", &host, "").await;
    assert!(head.starts_with("http/1.1 404"), "no website yet: {head}");
    let website = WebsiteConfiguration::builder()
        .index_document(
            IndexDocument::builder()
                .suffix("index.html")
                .build()
                .unwrap(),
        )
        .error_document(ErrorDocument::builder().key("404.html").build().unwrap());
    let website = s3
        .put_bucket_website()
        .bucket(BUCKET)
        .website_configuration(website.build());
    soon(website.send()).await.unwrap();
    recorded(&cloud);
    for (request, status, page) in [
        ("GET /", "200", "index.html"),
        ("GET /blog/", "200", "blog/index.html"),
        ("GET /blog", "302", ""),
        // Who may not list gets no 404, as with AWS.
        ("GET /never", "403", "404.html"),
        ("PUT /new", "405", "<html>"),
    ] {
        let (head, body) = ask(&cloud, request, &host, "").await;
        assert!(
            head.starts_with(&format!("http/1.1 {status}")),
            "{request}: {head}"
        );
        assert!(body.starts_with(page), "{request}: {body}");
    }
    let (_, body) = ask(&cloud, "GET /", BUCKET, "").await;
    assert_eq!(body, "index.html", "the bucket's own name");
    assert_eq!(recorded(&cloud), []);
}

#[tokio::test]
async fn a_client_that_waits_for_a_go_ahead_and_has_nothing_to_send_begins_anew() {
    let cloud = cloud();
    front(&cloud);
    let address = front(&cloud).url().replace("http://", "");
    for (length, body) in [(0, ""), (2, "ab")] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "PUT /{BUCKET}/a HTTP/1.1\r\nhost: {address}\r\nexpect: 100-continue\r\n\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        if length == 0 {
            assert_eq!(&answer, b"HTTP/1.1 403");
            let mut rest = String::new();
            // Ends, because the connection does.
            soon(stream.read_to_string(&mut rest)).await.unwrap();
            assert!(
                rest.to_ascii_lowercase().contains("connection: close"),
                "{rest}"
            );
        } else {
            assert_eq!(&answer, b"HTTP/1.1 100");
            stream.write_all(body.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_browser_is_told_who_else_may_read_a_bucket() {
    use aws_sdk_s3::types::{CorsConfiguration, CorsRule};

    let cloud = cloud();
    let s3 = client(&cloud).await;
    put(&s3, BUCKET, "index.html", "hello").await.unwrap();
    allow_all_to_read(&s3).await;
    recorded(&cloud);
    let path = format!("/{BUCKET}/index.html");
    let before = async |origin: &str, method: &str, headers: &str| {
        let mut more = String::new();
        for (name, value) in [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ] {
            if !value.is_empty() {
                more.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        ask(&cloud, &format!("OPTIONS {path}"), "127.0.0.1", &more).await
    };
    let ours = "https://www.example.com";
    let refused = async |asked: (&str, &str, &str), status: &str, part: &str| {
        let (head, body) = before(asked.0, asked.1, asked.2).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
        assert!(body.contains(part), "{body}");
        assert!(!head.contains("access-control"), "{head}");
    };
    refused(
        (ours, "GET", ""),
        "403",
        "CORS is not enabled for this bucket",
    )
    .await;
    let rule = |origin: &str, method: &str| {
        let rule = CorsRule::builder().allowed_origins(origin);
        rule.allowed_methods(method)
    };
    let config = CorsConfiguration::builder()
        .cors_rules(
            rule("https://*.example.com", "PUT")
                .allowed_methods("GET")
                .allowed_headers("X-Amz-*")
                .expose_headers("ETag")
                .max_age_seconds(60)
                .build()
                .unwrap(),
        )
        .cors_rules(rule("*", "HEAD").build().unwrap());
    let put_cors = s3.put_bucket_cors().bucket(BUCKET);
    let put_cors = put_cors.cors_configuration(config.build().unwrap());
    soon(put_cors.send()).await.unwrap();
    refused(("", "GET", ""), "400", "Origin request header needed").await;
    refused(
        (ours, "", ""),
        "400",
        "Invalid Access-Control-Request-Method",
    )
    .await;
    for asked in [
        ("https://example.org", "GET", ""),
        (ours, "DELETE", ""),
        (ours, "PUT", "content-type"),
    ] {
        refused(asked, "403", "This CORS request is not allowed").await;
    }
    let has =
        |head: &str, line: &str| assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    let (head, _) = before(ours, "PUT", "x-amz-date, X-Amz-Content-Sha256").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for line in [
        "access-control-allow-origin: https://www.example.com",
        "access-control-allow-methods: put, get",
        "access-control-allow-headers: x-amz-date, x-amz-content-sha256",
        "access-control-expose-headers: etag",
        "access-control-max-age: 60",
        "access-control-allow-credentials: true",
    ] {
        has(&head, line);
    }
    let (head, _) = before("null", "HEAD", "").await;
    has(&head, "access-control-allow-origin: *");
    assert!(!head.contains("credentials"), "{head}");
    // The answer itself says it too, also of the site; who is of no other place is told nothing.
    let origin = format!("origin: {ours}\r\n");
    let (head, body) = ask(&cloud, &format!("GET {path}"), "127.0.0.1", &origin).await;
    has(
        &head,
        "access-control-allow-origin: https://www.example.com",
    );
    assert_eq!(body, "hello");
    let website = format!("{BUCKET}.s3-website.localhost");
    let (head, _) = ask(&cloud, "GET /", &website, &origin).await;
    has(
        &head,
        "access-control-allow-origin: https://www.example.com",
    );
    let (head, _) = ask(&cloud, &format!("GET {path}"), "127.0.0.1", "").await;
    assert!(!head.contains("access-control"), "{head}");
    // Of all this only the objects that were read are recorded.
    assert_eq!(recorded(&cloud).len(), 2);
}
