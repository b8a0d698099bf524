package api_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

// review reads the review's result: what has to be named exactly, with why, and what only
// looks like it, with why not.
func review(t *testing.T) (exact, other map[string]string) {
	t.Helper()
	text, err := os.ReadFile("review.txt")
	require.NoError(t, err)
	named, not, ok := strings.Cut(string(text), "\n## Not, and why\n")
	require.True(t, ok)
	exact, other = map[string]string{}, map[string]string{}
	_, named, ok = strings.Cut(named, "\n## Named exactly\n\n")
	require.True(t, ok)
	for line := range strings.Lines(named) {
		if name, why, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			exact[name] = why
		}
	}
	reason := ""
	for line := range strings.Lines(not) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "# "); ok {
			reason = text
			continue
		}
		prefix, names, _ := strings.Cut(line, "\t")
		for name := range strings.FieldsSeq(names) {
			other[prefix+name] = reason
		}
	}
	return exact, other
}

// Every operation whose shapes hold something like a credential is one that a rule has to
// name exactly, or was looked at and left, with a reason.
func TestTheReviewIsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	exact, other := review(t)
	require.Greater(t, len(exact), 1000)
	require.Greater(t, len(other), 1000)
	for name, why := range exact {
		call, known := aws.Find(name)
		assert.True(t, known && call.Secret, name)
		assert.NotEmpty(t, why, name)
	}
	for name, reason := range other {
		call, known := aws.Find(name)
		assert.True(t, known, name)
		assert.False(t, call.Secret, name)
		assert.NotEmpty(t, reason, name)
	}
	marked := 0
	for _, b := range builtRequests(t) {
		if call, _ := aws.Find(b.want); call.Secret {
			marked++
			assert.NotEmpty(t, exact[b.want], b.want)
		}
	}
	t.Logf("%d operations have to be named exactly, %d only look like it", marked, len(other))
}

// What must be named exactly, and what must stay usable by a pattern.
func TestWhatHasToBeNamedExactly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"s3/PutBucketPolicy", "s3/PutBucketAcl", "s3/PutObjectAcl", "s3/DeletePublicAccessBlock", "lambda/GetFunctionConfiguration", "lambda/ListFunctions",
		"lambda/AddPermission", "lambda/CreateFunctionUrlConfig", "lambda/UpdateFunctionCode", "glue/GetConnection", "glue/GetConnections", "kms/CreateGrant",
		"kms/PutKeyPolicy", "secretsmanager/PutResourcePolicy", "ssm/SendCommand", "iam/PutRolePolicy", "iam/PutUserPolicy", "iam/PutGroupPolicy",
		"iam/AttachRolePolicy", "iam/AttachUserPolicy", "iam/AttachGroupPolicy", "iam/UpdateAssumeRolePolicy", "iam/CreatePolicyVersion", "iam/CreateRole",
		"sqs/AddPermission", "sqs/SetQueueAttributes", "sns/SetTopicAttributes", "ec2/RunInstances", "ec2/ModifySnapshotAttribute", "ecs/RunTask",
		"ecs/DescribeTaskDefinition", "cloudformation/CreateStack", "codebuild/BatchGetProjects", "rds/ModifyDBInstance", "sts/GetSessionToken",
		"sts/AssumeRole", "secretsmanager/GetSecretValue", "ssm/GetParameter", "logs/PutResourcePolicy", "dynamodb/PutResourcePolicy",
		"ec2/DescribeLaunchTemplateVersions", "organizations/AttachPolicy", "sso/CreateAccountAssignment", "ram/CreateResourceShare",
		"ec2/DescribeInstanceAttribute", "ec2/RunScheduledInstances", "glue/UpdateJobFromSourceControl", "glue/StartJobRun", "glue/CreateTrigger",
		"elasticbeanstalk/DescribeConfigurationSettings", "elasticbeanstalk/UpdateEnvironment", "codebuild/StartCommandExecution",
		"lightsail/CreateInstances", "workspaces-instances/CreateWorkspaceInstance", "emr-containers/CreateJobTemplate", "ecs/RegisterDaemonTaskDefinition",
	} {
		call, known := aws.Find(name)
		assert.True(t, known && call.Secret, name)
	}
	for _, name := range []string{
		"s3/GetObject", "s3/PutObject", "s3/CopyObject", "s3/ListObjectsV2", "s3/CompleteMultipartUpload", "s3/GetBucketPolicy", "dynamodb/GetItem", "dynamodb/PutItem",
		"dynamodb/Query", "sqs/SendMessage", "sqs/ReceiveMessage", "sns/Publish", "lambda/Invoke", "kms/Encrypt", "ec2/DescribeInstances", "ecs/DescribeServices",
		"eks/DescribeCluster", "rds/DescribeDBInstances", "cloudformation/DescribeStacks", "logs/GetLogEvents", "monitoring/GetMetricData", "sts/GetCallerIdentity",
		"iam/ListRoles", "states/StartExecution", "glue/GetJobRun", "elasticbeanstalk/TerminateEnvironment", "bedrock-runtime/InvokeModel", "elasticloadbalancing/DescribeListeners",
	} {
		call, known := aws.Find(name)
		assert.True(t, known, name)
		assert.False(t, call.Secret, name)
	}
}

// Whatever sounds like it is on one of the two sides of the review.
func TestNothingThatSoundsLikeACredentialIsUnseen(t *testing.T) {
	t.Parallel()
	sounds := regexp.MustCompile(`(Put|Attach|Set|Update)[A-Za-z]*(Policy|Acl)$|(Get|Create)[A-Za-z]*(Credentials?|Secret|AccessKey|Password|SessionToken|AuthorizationToken)$|AddPermission$`)
	notAccess := []string{
		"*/*LifecyclePolicy", "*/*ScalingPolicy", "*/*RetentionPolicy", "*/*BackupPolicy", "*/*CachePolicy", "*/*OriginRequestPolicy", "*/*SecurityPolicy",
		"*/*ResponseHeadersPolicy", "*/*RoutingPolicy", "*/*TrafficPolicy", "*/*TrackingPolicy", "*/*PasswordPolicy", "*/*FirewallPolicy",
		"batch/UpdateSchedulingPolicy", "bedrock/UpdateAutomatedReasoningPolicy", "cloudfront/UpdateContinuousDeploymentPolicy", "elasticmapreduce/PutAutoTerminationPolicy",
		"fms/PutPolicy", "glacier/SetDataRetrievalPolicy", "ivs/UpdatePlaybackRestrictionPolicy", "mediaconvert/PutPolicy", "mediastore/PutCorsPolicy", "mediastore/PutMetricPolicy",
		"resiliencehub/UpdateResiliencyPolicy", "securityhub/UpdateConfigurationPolicy", "email/UpdateReputationEntityPolicy", "sns/PutDataProtectionPolicy",
		"storagegateway/UpdateAutomaticTapeCreationPolicy", "logs/PutStorageTierPolicy", "resiliencehub/UpdatePolicy",
	}
	exact, other := review(t)
	for _, b := range builtRequests(t) {
		_, name, _ := strings.Cut(b.want, "/")
		if !sounds.MatchString(name) || exact[b.want] != "" || other[b.want] != "" {
			continue
		}
		seen := false
		for _, pattern := range notAccess {
			ok, _ := path.Match(pattern, b.want)
			seen = seen || ok
		}
		assert.True(t, seen, "%s is on neither side of review.txt", b.want)
	}
}
