//! GraphiQL, the page on which people try a GraphQL endpoint out, with every script and style sheet
//! embedded in the program: it works without any other site, and asks none.
//!
//! [`page`] is the page for one endpoint; [`configure`] adds the routes of what it loads.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};

/// Where the page looks for what it loads.
const ASSETS_PATH: &str = "/graphiql";

/// A file the page loads.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $media_type:literal) => {
        Asset {
            name: $name,
            media_type: $media_type,
            bytes: include_bytes!(concat!("../../assets/graphiql/", $name)),
        }
    };
}

const ASSETS: [Asset; 4] = [
    asset!("graphiql.min.js", "text/javascript; charset=utf-8"),
    asset!("graphiql.min.css", "text/css; charset=utf-8"),
    asset!("react.production.min.js", "text/javascript; charset=utf-8"),
    asset!(
        "react-dom.production.min.js",
        "text/javascript; charset=utf-8"
    ),
];

/// What the page opens with.
const EXAMPLE: &str = "{\n  squidStatus {\n    height\n  }\n}\n";

/// The page for the GraphQL endpoint at this path, with subscriptions over a WebSocket at the same
/// path.
pub fn page(title: &str, endpoint_path: &str) -> String {
    // Inside a script a JSON text is a string that no browser takes for markup.
    let script_text = |text: &str| {
        serde_json::Value::from(text)
            .to_string()
            .replace('<', "\\u003c")
    };
    include_str!("page.html")
        .replace("{{title}}", &escaped(title))
        .replace("{{assets}}", ASSETS_PATH)
        .replace("{{endpoint}}", &script_text(endpoint_path))
        .replace("{{example}}", &script_text(EXAMPLE))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The answer to a browser that asks for the endpoint.
pub fn respond(title: &str, endpoint_path: &str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(page(title, endpoint_path))
}

/// Does the client want a page rather than data?
pub fn wants_page(request: &HttpRequest) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    accept
        .windows(b"text/html".len())
        .any(|part| part.eq_ignore_ascii_case(b"text/html"))
}

/// Adds the routes of the files that the page loads.
pub fn configure(config: &mut web::ServiceConfig) {
    config.route(&format!("{ASSETS_PATH}/{{name}}"), web::get().to(asset));
}

async fn asset(name: web::Path<String>) -> HttpResponse {
    match ASSETS.iter().find(|asset| asset.name == name.as_str()) {
        None => HttpResponse::NotFound().finish(),
        Some(asset) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, asset.media_type))
            // Names do not change with the content: a day, then ask again.
            .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(asset.bytes),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;

    #[::core::prelude::v1::test]
    fn the_page_names_its_endpoint_and_asks_no_other_site() {
        let page = page("An <index>", "/graphql?x=</script>");
        assert!(page.contains("An &lt;index&gt;"), "{page}");
        assert!(page.contains("\"/graphql?x=\\u003c/script>\""), "{page}");
        assert!(!page.contains("{{"), "{page}");
        assert!(
            !page.contains("//unpkg") && !page.contains("https://"),
            "{page}"
        );
    }

    #[actix_web::test]
    async fn everything_the_page_loads_is_served() {
        let app = test::init_service(App::new().configure(configure)).await;
        let page = page("x", "/graphql");
        let loaded: Vec<&str> = page
            .split(['"', '\''])
            .filter(|text| text.starts_with(ASSETS_PATH))
            .collect();
        assert_eq!(loaded.len(), ASSETS.len(), "{loaded:?}");
        for path in loaded {
            let answer =
                test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            assert_eq!(answer.status(), 200, "{path}");
            assert!(test::read_body(answer).await.len() > 1000, "{path}");
        }
        let missing = test::TestRequest::get()
            .uri("/graphiql/other.js")
            .to_request();
        assert_eq!(test::call_service(&app, missing).await.status(), 404);
    }

    #[::core::prelude::v1::test]
    fn browsers_want_a_page() {
        let wants = |accept: &str| {
            wants_page(
                &test::TestRequest::get()
                    .insert_header((header::ACCEPT, accept))
                    .to_http_request(),
            )
        };
        assert!(wants("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!wants("application/json"));
        assert!(!wants("*/*"));
    }
}
