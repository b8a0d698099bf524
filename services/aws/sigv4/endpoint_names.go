package sigv4

import (
	"strings"
	"sync"
)

// signingNames returns what a name under AWS's domains is signed for, nil if it is not
// known. A name of two labels goes before one of one.
//
// What is in neither list is not signed for: under the same domains are names that
// anybody can have (elb, compute), where a service's word is that of a stranger.
func signingNames(name string) []string { return nameTable()[name] }

//nolint:gochecknoglobals // two constants in the form that is looked up, never written to
var nameTable = sync.OnceValue(func() map[string][]string {
	table := map[string][]string{}
	for name := range strings.FieldsSeq(ownNames) {
		table[name] = []string{name}
	}
	for entry := range strings.FieldsSeq(otherNames) {
		name, signed, _ := strings.Cut(entry, "=")
		table[name] = strings.Split(signed, ",")
	}
	return table
})

// otherNames are the names that do not sign as they are called: from the endpoint rules
// of AWS's SDKs (botocore 1.43.11), and the names of accounts' own endpoints (API
// Gateway, Lambda URLs, AppSync, Kinesis, DynamoDB).
const otherNames = "" +
	"agreement-marketplace=aws-marketplace aos=es api.iot-tunneling=IoTSecuredTunneling appconfigdata=appconfig " +
	"appstream2=appstream appsync-api=appsync appsync-realtime-api=appsync " +
	"arc-recovery-control-config=route53-recovery-control-config ats.iot=iotdata bedrock-agent=bedrock " +
	"bedrock-agent-runtime=bedrock bedrock-agentcore-control=bedrock-agentcore bedrock-data-automation=bedrock " +
	"bedrock-data-automation-runtime=bedrock bedrock-runtime=bedrock cassandra-streams=cassandra " +
	"catalog-marketplace=aws-marketplace catalog.marketplace=aws-marketplace cloudhsmv2=cloudhsm " +
	"cloudsearchdomain=cloudsearch contact-lens=connect control-kinesis=kinesis data-ats.iot=iotdata " +
	"data-kinesis=kinesis data-signer=signer data.iot=iotdata data.iotevents=ioteventsdata ddb=dynamodb " +
	"deployment-marketplace=aws-marketplace discovery-marketplace=aws-marketplace efs=elasticfilesystem email=ses " +
	"entitlement-marketplace=aws-marketplace entitlement.marketplace=aws-marketplace forecastquery=forecast " +
	"identity-chime=chime importexport=IngestionService,importexport ivsrealtime=ivs jobs.iot=iot-jobs-data " +
	"kafka-api=kafka lambda-url=lambda mail-manager=ses maps.geo=geo-maps media-pipelines-chime=chime " +
	"meetings-chime=chime memory-db=memorydb messaging-chime=chime metering-marketplace=aws-marketplace " +
	"metering.marketplace=aws-marketplace migrationhub-config=mgh models-v2-lex=lex oidc=sso-oauth " +
	"participant.connect=execute-api personalize-events=personalize personalize-runtime=personalize " +
	"pinpoint=mobiletargeting places.geo=geo-places portal.sso=awsssoportal queue=sqs " +
	"reporting-marketplace=aws-marketplace routes.geo=geo-routes runtime-v2-lex=lex " +
	"servicecatalog-appregistry=servicecatalog sms-voice.pinpoint=sms-voice streams-dynamodb=dynamodb " +
	"timestream-ingest=timestream timestream-query=timestream tunneling.iot=IoTSecuredTunneling voice-chime=chime "

// ownNames are the names that sign as they are called, from the same source.
const ownNames = "" +
	"access-analyzer account acm acm-pca aco-automation aidevops aiops airflow airflow-serverless amplify " +
	"amplifybackend amplifyuibuilder aoss apigateway app-integrations appconfig appfabric appflow " +
	"application-autoscaling application-cost-profiler application-signals applicationinsights appmesh apprunner " +
	"appstream appsync aps arc-region-switch arc-zonal-shift artifact athena auditmanager autoscaling " +
	"autoscaling-plans b2bi backup backup-gateway backup-search batch bcm-dashboards bcm-data-exports " +
	"bcm-pricing-calculator bcm-recommended-actions bedrock bedrock-agentcore billing billingconductor braket budgets " +
	"cases cassandra ce chatbot chime cleanrooms cleanrooms-ml cloud9 cloudcontrolapi clouddirectory cloudformation " +
	"cloudfront cloudfront-keyvaluestore cloudhsm cloudsearch cloudtrail cloudtrail-data codeartifact codebuild " +
	"codecatalyst codecommit codeconnections codedeploy codeguru-profiler codeguru-reviewer codeguru-security " +
	"codepipeline codestar codestar-connections codestar-notifications cognito-identity cognito-idp cognito-sync " +
	"comprehend comprehendmedical compute-optimizer config connect connect-campaigns controlcatalog controltower " +
	"cost-optimization-hub cur databrew dataexchange datapipeline datasync datazone dax deadline detective devicefarm " +
	"devops-guru directconnect discovery dlm dms docdb-elastic drs ds ds-data dsql dynamodb ebs ec2 " +
	"ec2-instance-connect ecr ecr-public ecs eks eks-auth elasticache elasticbeanstalk elasticfilesystem " +
	"elasticloadbalancing elasticmapreduce elastictranscoder elemental-inference emr-containers emr-serverless " +
	"entityresolution es events evs execute-api finspace finspace-api firehose fis fms forecast frauddetector " +
	"freetier fsx gamelift gameliftstreams geo geo-maps geo-places geo-routes glacier globalaccelerator glue grafana " +
	"greengrass groundstation guardduty health health-agent healthlake honeycode iam identitystore imagebuilder " +
	"inspector inspector-scan inspector2 interconnect internetmonitor invoicing iot iotanalytics iotdeviceadvisor " +
	"iotevents iotfleetwise iotmanagedintegrations iotsitewise iotthingsgraph iottwinmaker iotwireless ivs ivschat " +
	"kafka kafka-cluster kafkaconnect kendra kendra-ranking kinesis kinesisanalytics kinesisvideo kms lakeformation " +
	"lambda launchwizard lex license-manager license-manager-linux-subscriptions license-manager-user-subscriptions " +
	"lightsail logs lookoutequipment lookoutmetrics lookoutvision m2 machinelearning macie2 managedblockchain " +
	"managedblockchain-query marketplacecommerceanalytics mediaconnect mediaconvert medialive mediapackage " +
	"mediapackage-vod mediapackagev2 mediastore mediatailor medical-imaging mgh mgn migrationhub-orchestrator " +
	"migrationhub-strategy mobile monitoring mpa mq mturk-requester neptune-db neptune-graph network-firewall " +
	"networkflowmonitor networkmanager networkmonitor notifications notifications-contacts nova-act oam " +
	"observabilityadmin odb omics opsworks organizations osis outposts panorama partnercentral-account " +
	"partnercentral-benefits partnercentral-channel partnercentral-selling payment-cryptography pca-connector-ad " +
	"pca-connector-scep pcs personalize pi pipes polly pricing profile proton qapps qbusiness qldb quicksight ram " +
	"rbin rds rds-data redshift redshift-data redshift-serverless refactor-spaces rekognition repostspace " +
	"resiliencehub resource-explorer-2 resource-groups robomaker rolesanywhere route53 route53-recovery-cluster " +
	"route53-recovery-control-config route53-recovery-readiness route53domains route53globalresolver route53profiles " +
	"route53resolver rtbfabric rum s3files s3tables s3vectors sagemaker sagemaker-geospatial savingsplans scheduler " +
	"schemas scn sdb secretsmanager security-ir securityagent securityhub securitylake serverlessrepo servicecatalog " +
	"servicediscovery servicequotas shield signer signin simspaceweaver sms sms-voice snow-device-management snowball " +
	"sns social-messaging sqs ssm ssm-contacts ssm-guiconnect ssm-incidents ssm-quicksetup ssm-sap sso states " +
	"storagegateway sts support supportapp sustainability swf synthetics tagging tax textract thinclient timestream " +
	"timestream-influxdb tnb transcribe transfer translate trustedadvisor uxc verifiedpermissions voiceid vpc-lattice " +
	"vpc-lattice-svcs waf waf-regional wafv2 wellarchitected wickr wisdom workdocs worklink workmail " +
	"workmailmessageflow workspaces workspaces-instances workspaces-web xray "
