package authfield

// Services is the table. Links that somebody signed (X-Amz-Signature, sig, Signature in a
// query) are not in it: they open one thing and do not say who is asking.
func Services() []Service { return append(everywhere(), named()...) }

// everywhere is what no one service has for itself.
func everywhere() []Service {
	return []Service{
		{Name: "HTTP", Headers: []string{"Authorization", "Proxy-Authorization", "X-Authorization", "X-Authentication", "Dpop"}},
		{Name: "browsers", Headers: []string{"Cookie", "Cookie2"}},
		{Name: "signed messages (RFC 9421)", Headers: []string{"Signature", "Signature-Input"}},
		{
			Name: "many",
			Headers: []string{
				"X-Api-Key", "Api-Key", "Apikey", "X-Apikey", "X-Api-Token", "Api-Token", "X-Api-Secret", "X-Auth", "X-Auth-Token", "X-Auth-Key", "X-Auth-Email",
				"X-Access-Token", "Access-Token", "X-Access-Key", "X-Secret-Key", "X-Session-Token", "X-User-Token", "X-Token", "X-Client-Secret", "X-Id-Token",
			},
			Parameters: []string{
				"access-token", "api-key", "apikey", "x-api-key", "api-token", "apitoken", "auth-token", "authtoken", "x-auth-token", "oauth-token",
				"client-secret", "refresh-token", "id-token",
			},
		},
		{
			Name: "proxies in front of a service",
			Headers: []string{
				"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Forwarded-Client-Cert",
				"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Access-Token", "X-Remote-User", "Remote-User", "Remote-Email",
				"Remote-Groups", "X-Webauth-User", "Client-Cert", "Client-Cert-Chain", "X-Client-Cert", "Ssl-Client-Cert", "X-Ssl-Client-Cert", "X-Arr-Clientcert",
			},
		},
	}
}

// named are services by name.
func named() []Service {
	return []Service{
		{Name: "Algolia", Headers: []string{"X-Algolia-Api-Key"}, Parameters: []string{"x-algolia-api-key"}},
		{Name: "AWS", Headers: []string{"X-Amz-Security-Token", "X-Amz-S3session-Token", "X-Amz-Access-Token", "X-Amz-Mfa", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Accesstoken"}},
		{
			Name:       "Azure",
			Headers:    []string{"Ocp-Apim-Subscription-Key", "X-Functions-Key", "X-Ms-Authorization-Auxiliary", "X-Ms-Client-Principal", "X-Zumo-Auth", "Aeg-Sas-Key", "Aeg-Sas-Token"},
			Parameters: []string{"subscription-key"},
		},
		{Name: "Azure Functions", Parameters: []string{"code"}, Domains: []string{"azurewebsites.net"}},
		{Name: "Brave", Headers: []string{"X-Subscription-Token"}},
		{Name: "CircleCI", Headers: []string{"Circle-Token"}, Parameters: []string{"circle-token"}},
		{Name: "Cloudflare", Headers: []string{"X-Auth-User-Service-Key", "Cf-Access-Client-Id", "Cf-Access-Client-Secret", "Cf-Access-Jwt-Assertion", "Cf-Access-Token"}},
		{Name: "Coinbase", Headers: []string{"Cb-Access-Key", "Cb-Access-Sign", "Cb-Access-Passphrase"}},
		{Name: "Datadog", Headers: []string{"Dd-Api-Key", "Dd-Application-Key"}, Parameters: []string{"application-key"}},
		{Name: "DeepL", Parameters: []string{"auth-key"}, Domains: []string{"deepl.com"}},
		{Name: "Docker", Headers: []string{"X-Registry-Auth", "X-Registry-Config", "X-Docker-Token"}},
		{Name: "Elastic", Headers: []string{"Es-Secondary-Authorization", "Es-Client-Authentication"}},
		{Name: "ElevenLabs", Headers: []string{"Xi-Api-Key"}},
		{Name: "Fastly", Headers: []string{"Fastly-Key"}},
		{Name: "Figma", Headers: []string{"X-Figma-Token"}},
		{Name: "Firebase", Headers: []string{"X-Firebase-Appcheck", "X-Firebase-Auth"}, Parameters: []string{"auth"}, Domains: []string{"firebaseio.com", "firebasedatabase.app"}},
		{Name: "GitHub", Headers: []string{"X-Github-Otp", "X-Github-Token"}},
		{Name: "GitLab", Headers: []string{"Private-Token", "Job-Token", "Deploy-Token", "X-Gitlab-Token", "Sudo"}, Parameters: []string{"private-token", "job-token", "sudo"}},
		{
			Name: "Google",
			Headers: []string{
				"X-Goog-Api-Key", "X-Goog-Iam-Authorization-Token", "X-Goog-Iap-Jwt-Assertion", "X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id",
				"X-Serverless-Authorization",
			},
			Parameters: []string{"key"}, Domains: []string{"googleapis.com"},
		},
		{Name: "HashiCorp", Headers: []string{"X-Vault-Token", "X-Consul-Token", "X-Nomad-Token"}},
		{Name: "Honeycomb and Lightstep", Headers: []string{"X-Honeycomb-Team", "Lightstep-Access-Token"}},
		{Name: "HubSpot", Parameters: []string{"hapikey"}},
		{Name: "JFrog", Headers: []string{"X-Jfrog-Art-Api"}},
		{
			Name: "Kubernetes", Headers: []string{"Impersonate-User", "Impersonate-Group", "Impersonate-Uid"},
			Subprotocols: []string{"base64url.bearer.authorization.k8s.io."},
		},
		{Name: "New Relic", Headers: []string{"X-License-Key", "X-Insert-Key", "X-Query-Key"}},
		{Name: "npm", Headers: []string{"Npm-Otp"}},
		{Name: "NuGet", Headers: []string{"X-Nuget-Apikey"}},
		{Name: "Octopus", Headers: []string{"X-Octopus-Apikey"}},
		{Name: "OpenAI", Subprotocols: []string{"openai-insecure-api-key."}},
		{Name: "OpenStack", Headers: []string{"X-Subject-Token", "X-Service-Token", "X-Storage-Token"}},
		{Name: "OpenWeather", Parameters: []string{"appid"}, Domains: []string{"openweathermap.org"}},
		{Name: "OVH", Headers: []string{"X-Ovh-Consumer", "X-Ovh-Signature"}},
		{Name: "Parse", Headers: []string{"X-Parse-Rest-Api-Key", "X-Parse-Master-Key", "X-Parse-Session-Token"}},
		{Name: "Plex and Emby", Headers: []string{"X-Plex-Token", "X-Emby-Token", "X-Mediabrowser-Token"}, Parameters: []string{"x-plex-token"}},
		{Name: "Postmark", Headers: []string{"X-Postmark-Server-Token", "X-Postmark-Account-Token"}},
		{Name: "RapidAPI", Headers: []string{"X-Rapidapi-Key"}},
		{Name: "Redmine", Headers: []string{"X-Redmine-Api-Key", "X-Redmine-Switch-User"}},
		{Name: "Rundeck", Headers: []string{"X-Rundeck-Auth-Token"}},
		{Name: "Sentry", Headers: []string{"X-Sentry-Auth"}, Parameters: []string{"sentry-key", "sentry-secret"}},
		{Name: "Shopify", Headers: []string{"X-Shopify-Access-Token", "X-Shopify-Storefront-Access-Token"}},
		{Name: "Slack and Trello", Parameters: []string{"token", "key"}, Domains: []string{"slack.com", "trello.com"}},
		{Name: "Splunk and SignalFx", Headers: []string{"X-Sf-Token", "X-Splunk-Token"}},
		{Name: "Tableau", Headers: []string{"X-Tableau-Auth"}},
		{Name: "Tailscale", Headers: []string{"Tailscale-User-Login", "Tailscale-User-Name"}},
	}
}
