// Credentials stay in the page: a reload forgets them.
SwaggerUIBundle({
  url: "/api/schema/",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});
