package sigv4

// signingNames returns what a name under AWS's domains is signed for, nil if it is not
// known: the endpoint rules of AWS's SDKs (botocore 1.43.11), and the names of
// accounts' own endpoints (API Gateway, Lambda URLs, AppSync, Kinesis, DynamoDB).
// What is not in this list is not signed for: under the same domains are names that
// anybody can have (elb, compute), where a service's word is that of a stranger.
func signingNames(name string) []string {
	switch name {
	case "importexport":
		return []string{"IngestionService", "importexport"}
	case "api.iot-tunneling", "tunneling.iot":
		return []string{"IoTSecuredTunneling"}
	case "appconfigdata":
		return []string{"appconfig"}
	case "appstream2":
		return []string{"appstream"}
	case "appsync-api", "appsync-realtime-api":
		return []string{"appsync"}
	case "agreement-marketplace", "catalog-marketplace", "catalog.marketplace", "deployment-marketplace", "discovery-marketplace", "entitlement-marketplace", "entitlement.marketplace", "metering-marketplace", "metering.marketplace", "reporting-marketplace":
		return []string{"aws-marketplace"}
	case "portal.sso":
		return []string{"awsssoportal"}
	case "bedrock-agent", "bedrock-agent-runtime", "bedrock-data-automation", "bedrock-data-automation-runtime", "bedrock-runtime":
		return []string{"bedrock"}
	case "bedrock-agentcore-control":
		return []string{"bedrock-agentcore"}
	case "cassandra-streams":
		return []string{"cassandra"}
	case "identity-chime", "media-pipelines-chime", "meetings-chime", "messaging-chime", "voice-chime":
		return []string{"chime"}
	case "cloudhsmv2":
		return []string{"cloudhsm"}
	case "cloudsearchdomain":
		return []string{"cloudsearch"}
	case "contact-lens":
		return []string{"connect"}
	case "ddb", "streams-dynamodb":
		return []string{"dynamodb"}
	case "efs":
		return []string{"elasticfilesystem"}
	case "aos":
		return []string{"es"}
	case "participant.connect":
		return []string{"execute-api"}
	case "forecastquery":
		return []string{"forecast"}
	case "maps.geo":
		return []string{"geo-maps"}
	case "places.geo":
		return []string{"geo-places"}
	case "routes.geo":
		return []string{"geo-routes"}
	case "jobs.iot":
		return []string{"iot-jobs-data"}
	case "ats.iot", "data-ats.iot", "data.iot":
		return []string{"iotdata"}
	case "data.iotevents":
		return []string{"ioteventsdata"}
	case "ivsrealtime":
		return []string{"ivs"}
	case "kafka-api":
		return []string{"kafka"}
	case "control-kinesis", "data-kinesis":
		return []string{"kinesis"}
	case "lambda-url":
		return []string{"lambda"}
	case "models-v2-lex", "runtime-v2-lex":
		return []string{"lex"}
	case "memory-db":
		return []string{"memorydb"}
	case "migrationhub-config":
		return []string{"mgh"}
	case "pinpoint":
		return []string{"mobiletargeting"}
	case "personalize-events", "personalize-runtime":
		return []string{"personalize"}
	case "arc-recovery-control-config":
		return []string{"route53-recovery-control-config"}
	case "servicecatalog-appregistry":
		return []string{"servicecatalog"}
	case "email", "mail-manager":
		return []string{"ses"}
	case "data-signer":
		return []string{"signer"}
	case "sms-voice.pinpoint":
		return []string{"sms-voice"}
	case "queue":
		return []string{"sqs"}
	case "oidc":
		return []string{"sso-oauth"}
	case "timestream-ingest", "timestream-query":
		return []string{"timestream"}
	case
		"s3files", "s3tables", "s3vectors",
		"access-analyzer", "account", "acm", "acm-pca", "aco-automation", "aidevops", "aiops", "airflow",
		"airflow-serverless", "amplify", "amplifybackend", "amplifyuibuilder", "aoss", "apigateway", "app-integrations",
		"appconfig", "appfabric", "appflow", "application-autoscaling", "application-cost-profiler", "application-signals",
		"applicationinsights", "appmesh", "apprunner", "appstream", "appsync", "aps", "arc-region-switch", "arc-zonal-shift",
		"artifact", "athena", "auditmanager", "autoscaling", "autoscaling-plans", "b2bi", "backup", "backup-gateway",
		"backup-search", "batch", "bcm-dashboards", "bcm-data-exports", "bcm-pricing-calculator", "bcm-recommended-actions",
		"bedrock", "bedrock-agentcore", "billing", "billingconductor", "braket", "budgets", "cases", "cassandra", "ce",
		"chatbot", "chime", "cleanrooms", "cleanrooms-ml", "cloud9", "cloudcontrolapi", "clouddirectory", "cloudformation",
		"cloudfront", "cloudfront-keyvaluestore", "cloudhsm", "cloudsearch", "cloudtrail", "cloudtrail-data", "codeartifact",
		"codebuild", "codecatalyst", "codecommit", "codeconnections", "codedeploy", "codeguru-profiler", "codeguru-reviewer",
		"codeguru-security", "codepipeline", "codestar", "codestar-connections", "codestar-notifications", "cognito-identity",
		"cognito-idp", "cognito-sync", "comprehend", "comprehendmedical", "compute-optimizer", "config", "connect",
		"connect-campaigns", "controlcatalog", "controltower", "cost-optimization-hub", "cur", "databrew", "dataexchange",
		"datapipeline", "datasync", "datazone", "dax", "deadline", "detective", "devicefarm", "devops-guru", "directconnect",
		"discovery", "dlm", "dms", "docdb-elastic", "drs", "ds", "ds-data", "dsql", "dynamodb", "ebs", "ec2",
		"ec2-instance-connect", "ecr", "ecr-public", "ecs", "eks", "eks-auth", "elasticache", "elasticbeanstalk",
		"elasticfilesystem", "elasticloadbalancing", "elasticmapreduce", "elastictranscoder", "elemental-inference",
		"emr-containers", "emr-serverless", "entityresolution", "es", "events", "evs", "execute-api", "finspace",
		"finspace-api", "firehose", "fis", "fms", "forecast", "frauddetector", "freetier", "fsx", "gamelift",
		"gameliftstreams", "geo", "geo-maps", "geo-places", "geo-routes", "glacier", "globalaccelerator", "glue", "grafana",
		"greengrass", "groundstation", "guardduty", "health", "health-agent", "healthlake", "honeycode", "iam",
		"identitystore", "imagebuilder", "inspector", "inspector-scan", "inspector2", "interconnect", "internetmonitor",
		"invoicing", "iot", "iotanalytics", "iotdeviceadvisor", "iotevents", "iotfleetwise", "iotmanagedintegrations",
		"iotsitewise", "iotthingsgraph", "iottwinmaker", "iotwireless", "ivs", "ivschat", "kafka", "kafka-cluster",
		"kafkaconnect", "kendra", "kendra-ranking", "kinesis", "kinesisanalytics", "kinesisvideo", "kms", "lakeformation",
		"lambda", "launchwizard", "lex", "license-manager", "license-manager-linux-subscriptions",
		"license-manager-user-subscriptions", "lightsail", "logs", "lookoutequipment", "lookoutmetrics", "lookoutvision",
		"m2", "machinelearning", "macie2", "managedblockchain", "managedblockchain-query", "marketplacecommerceanalytics",
		"mediaconnect", "mediaconvert", "medialive", "mediapackage", "mediapackage-vod", "mediapackagev2", "mediastore",
		"mediatailor", "medical-imaging", "mgh", "mgn", "migrationhub-orchestrator", "migrationhub-strategy", "mobile",
		"monitoring", "mpa", "mq", "mturk-requester", "neptune-db", "neptune-graph", "network-firewall", "networkflowmonitor",
		"networkmanager", "networkmonitor", "notifications", "notifications-contacts", "nova-act", "oam",
		"observabilityadmin", "odb", "omics", "opsworks", "organizations", "osis", "outposts", "panorama",
		"partnercentral-account", "partnercentral-benefits", "partnercentral-channel", "partnercentral-selling",
		"payment-cryptography", "pca-connector-ad", "pca-connector-scep", "pcs", "personalize", "pi", "pipes", "polly",
		"pricing", "profile", "proton", "qapps", "qbusiness", "qldb", "quicksight", "ram", "rbin", "rds", "rds-data",
		"redshift", "redshift-data", "redshift-serverless", "refactor-spaces", "rekognition", "repostspace", "resiliencehub",
		"resource-explorer-2", "resource-groups", "robomaker", "rolesanywhere", "route53", "route53-recovery-cluster",
		"route53-recovery-control-config", "route53-recovery-readiness", "route53domains", "route53globalresolver",
		"route53profiles", "route53resolver", "rtbfabric", "rum", "sagemaker", "sagemaker-geospatial", "savingsplans",
		"scheduler", "schemas", "scn", "sdb", "secretsmanager", "security-ir", "securityagent", "securityhub", "securitylake",
		"serverlessrepo", "servicecatalog", "servicediscovery", "servicequotas", "shield", "signer", "signin",
		"simspaceweaver", "sms", "sms-voice", "snow-device-management", "snowball", "sns", "social-messaging", "sqs", "ssm",
		"ssm-contacts", "ssm-guiconnect", "ssm-incidents", "ssm-quicksetup", "ssm-sap", "sso", "states", "storagegateway",
		"sts", "support", "supportapp", "sustainability", "swf", "synthetics", "tagging", "tax", "textract", "thinclient",
		"timestream", "timestream-influxdb", "tnb", "transcribe", "transfer", "translate", "trustedadvisor", "uxc",
		"verifiedpermissions", "voiceid", "vpc-lattice", "vpc-lattice-svcs", "waf", "waf-regional", "wafv2",
		"wellarchitected", "wickr", "wisdom", "workdocs", "worklink", "workmail", "workmailmessageflow", "workspaces",
		"workspaces-instances", "workspaces-web", "xray":
		return []string{name}
	}
	return nil
}
