use crate::{Next, Request, Response, Router, any, get, post};

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

#[test]
fn a_router_is_its_table() {
    let api = Router::new()
        .route("/", get(|| "").name("api"))
        .route("/notes/{id}", get(|| "").delete(|| "").fallback(|| "").wrap(pass))
        .fallback(|| "")
        .wrap(pass);
    let router = Router::new()
        .route("/", get(|| ""))
        .route("/any", any(|| ""))
        .merge(Router::new().route("/", post(|| "")).wrap(pass))
        .nest("/api", api)
        .host("*.example.org", Router::new().route("/", get(|| "").name("tenant").name("home")).wrap(pass))
        .wrap(pass);
    assert_eq!(
        router.to_string(),
        "\
host           path             methods              name          middleware
               /                GET                                1
               /                POST                               2
               /any             any                                1
               /api             GET                  api           2
               /api/notes/{id}  GET, DELETE, others                3
               /api/…           fallback                           2
*.example.org  /                GET                  tenant, home  2
"
    );
    assert_eq!(Router::new().to_string(), "path  methods  middleware\n");
}
