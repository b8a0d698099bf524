package api

import (
	"slices"
	"strings"
	"sync"
)

// extractor finds the resources that an operation touches. It returns one call for each of
// them, or a single call that says why they are not known.
type extractor func(q *input, call Call) []Call

// extractors are the operations whose resources can be told from a request, by their
// full name. Those of S3 are all in s3.go.
//
//nolint:gochecknoglobals // a constant that is built once, never written to
var extractors = sync.OnceValue(func() map[string]extractor {
	all := map[string]extractor{}
	add := func(service, operations string, e extractor) {
		for name := range strings.FieldsSeq(operations) {
			all[service+"/"+name] = e
		}
	}
	add("dynamodb", "GetItem PutItem UpdateItem DeleteItem DescribeTable CreateTable DeleteTable UpdateTable "+
		"DescribeTimeToLive UpdateTimeToLive DescribeContinuousBackups UpdateContinuousBackups "+
		"DescribeKinesisStreamingDestination DescribeContributorInsights CreateBackup", member("TableName", dynamoTable))
	add("dynamodb", "Query Scan", queried)
	add("dynamodb", "BatchGetItem BatchWriteItem", keysOf("RequestItems", dynamoTable))
	add("dynamodb", "TransactGetItems TransactWriteItems", transacted)
	add("dynamodb", "TagResource UntagResource ListTagsOfResource GetResourcePolicy PutResourcePolicy DeleteResourcePolicy", member("ResourceArn", arnOnly))
	add("sqs", "SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility "+
		"ChangeMessageVisibilityBatch GetQueueAttributes SetQueueAttributes PurgeQueue DeleteQueue AddPermission RemovePermission "+
		"ListDeadLetterSourceQueues ListQueueTags TagQueue UntagQueue", queue)
	add("sqs", "CreateQueue GetQueueUrl", member("QueueName", owned("sqs", "", "QueueOwnerAWSAccountId")))
	add("sns", "Publish", publish)
	add("sns", "PublishBatch Subscribe GetTopicAttributes SetTopicAttributes DeleteTopic AddPermission RemovePermission "+
		"ListSubscriptionsByTopic GetDataProtectionPolicy", member("TopicArn", arnOnly))
	add("sns", "CreateTopic", member("Name", named("sns", "")))
	add("lambda", "Invoke InvokeAsync InvokeWithResponseStream GetFunction GetFunctionConfiguration DeleteFunction UpdateFunctionCode "+
		"UpdateFunctionConfiguration PublishVersion ListVersionsByFunction GetPolicy AddPermission RemovePermission "+
		"GetFunctionConcurrency PutFunctionConcurrency DeleteFunctionConcurrency ListAliases CreateAlias GetAlias UpdateAlias DeleteAlias "+
		"GetFunctionUrlConfig CreateFunctionUrlConfig UpdateFunctionUrlConfig DeleteFunctionUrlConfig CreateFunction", member("FunctionName", function))
	add("secretsmanager", "GetSecretValue DescribeSecret PutSecretValue UpdateSecret DeleteSecret RestoreSecret ListSecretVersionIds "+
		"GetResourcePolicy PutResourcePolicy DeleteResourcePolicy RotateSecret CancelRotateSecret TagResource UntagResource", member("SecretId", named("secretsmanager", "secret:")))
	add("secretsmanager", "CreateSecret", member("Name", named("secretsmanager", "secret:")))
	add("ssm", "GetParameter PutParameter DeleteParameter GetParameterHistory LabelParameterVersion", member("Name", parameterARN))
	add("ssm", "GetParameters DeleteParameters", members("Names", parameterARN))
	add("ssm", "GetParametersByPath", member("Path", belowPath))
	add("kms", "Encrypt Decrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext "+
		"DescribeKey Sign Verify GenerateMac VerifyMac GetPublicKey GetKeyPolicy PutKeyPolicy EnableKey DisableKey ScheduleKeyDeletion "+
		"CancelKeyDeletion EnableKeyRotation DisableKeyRotation GetKeyRotationStatus CreateGrant ListGrants RevokeGrant ListKeyPolicies "+
		"TagResource UntagResource ListResourceTags DeriveSharedSecret UpdateKeyDescription", member("KeyId", kmsKey))
	add("api.ecr", "BatchCheckLayerAvailability BatchDeleteImage BatchGetImage CompleteLayerUpload CreateRepository DeleteLifecyclePolicy "+
		"DeleteRepository DeleteRepositoryPolicy DescribeImages DescribeImageScanFindings GetDownloadUrlForLayer GetLifecyclePolicy "+
		"GetRepositoryPolicy InitiateLayerUpload ListImages PutImage PutImageScanningConfiguration PutImageTagMutability PutLifecyclePolicy "+
		"SetRepositoryPolicy StartImageScan UploadLayerPart", member("repositoryName", repository))
	add("api.ecr", "DescribeRepositories", members("repositoryNames", repository))
	add("sts", "AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity", member("RoleArn", arnOnly))
	add("logs", "CreateLogGroup DeleteLogGroup CreateLogStream DeleteLogStream PutLogEvents PutRetentionPolicy DeleteRetentionPolicy "+
		"PutSubscriptionFilter DeleteSubscriptionFilter DescribeSubscriptionFilters PutMetricFilter DeleteMetricFilter", member("logGroupName", logGroup))
	add("logs", "GetLogEvents FilterLogEvents DescribeLogStreams", either("logGroupName", "logGroupIdentifier", logGroup))
	add("logs", "StartQuery", logQuery)
	add("bedrock-runtime", "InvokeModel InvokeModelWithResponseStream Converse ConverseStream CountTokens InvokeModelWithBidirectionalStream", member("modelId", model))
	add("bedrock", "GetFoundationModel", member("modelIdentifier", model))
	return all
})

// HasResources reports whether what an operation touches can be told from a request, so
// that a rule may bound it.
func HasResources(operation string) bool {
	if extractors()[operation] != nil {
		return true
	}
	name, ok := strings.CutPrefix(operation, "s3/")
	return ok && name != "RenameObject" && name != "WriteGetObjectResponse" && name != "ListDirectoryBuckets" && name != "CreateSession"
}

// arnOf makes an ARN of what a request says, or says why it cannot.
type arnOf func(q *input, value string) (arn, problem string)

func (q *input) with(call Call, value string, of arnOf) Call {
	call.Resource, call.Unknown = of(q, value)
	if call.Unknown == "" && !plainText(call.Resource) {
		call.Resource, call.Unknown = "", "the name of the resource holds characters that no name has"
	}
	return call
}

// member is for operations that name what they touch in one member.
func member(name string, of arnOf) extractor {
	return func(q *input, call Call) []Call {
		value, problem := q.text(name)
		if problem != "" {
			call.Unknown = problem
			return []Call{call}
		}
		return []Call{q.with(call, value, of)}
	}
}

// either is for operations that take one of two members.
func either(a, b string, of arnOf) extractor {
	return func(q *input, call Call) []Call {
		values, problem := q.given(a, b)
		switch {
		case problem == "" && len(values) == 1:
			return []Call{q.with(call, values[0], of)}
		case problem == "" && len(values) == 2:
			problem = a + " and " + b + " are both there"
		case problem == "":
			problem = absent
		}
		call.Unknown = problem
		return []Call{call}
	}
}

// given are the values of those members that the request has. It is a problem if one cannot
// be read here, since the service may be able to read it.
func (q *input) given(names ...string) (values []string, problem string) {
	for _, name := range names {
		value, given, problem := q.optional(name)
		if problem != "" {
			return nil, problem
		}
		if given {
			values = append(values, value)
		}
	}
	return values, ""
}

func members(name string, of arnOf) extractor {
	return func(q *input, call Call) []Call {
		values, problem := q.texts(name)
		return q.each(call, values, problem, of)
	}
}

func keysOf(name string, of arnOf) extractor {
	return func(q *input, call Call) []Call {
		keys, problem := q.keys(name)
		return q.each(call, keys, problem, of)
	}
}

// maxListed is how many things one request may name: S3's bound for a list of keys to
// delete, and far more than others have.
const maxListed = 1000

func (q *input) each(call Call, values []string, problem string, of arnOf) []Call {
	if problem == "" && len(values) == 0 {
		problem = "the request names nothing, which means everything"
	}
	if len(values) > maxListed {
		problem = "the request names more things than any service takes at once"
	}
	if problem != "" {
		call.Unknown = problem
		return []Call{call}
	}
	calls := make([]Call, 0, len(values))
	for _, value := range values {
		calls = append(calls, q.with(call, value, of))
	}
	return calls
}

func arnOnly(_ *input, value string) (arn, problem string) {
	if strings.HasPrefix(value, "arn:") && strings.Count(value, ":") >= 5 {
		return value, ""
	}
	return "", "the resource is not named by its ARN"
}

// named is for resources that a request names by name or by ARN.
func named(service, kind string) arnOf {
	return func(q *input, value string) (arn, problem string) {
		if strings.HasPrefix(value, "arn:") {
			return arnOnly(q, value)
		}
		return q.arn(service, "", kind+value), ""
	}
}

// owned is for resources whose account a member of its own may name.
func owned(service, kind, member string) arnOf {
	return func(q *input, value string) (arn, problem string) {
		account, given, problem := q.optional(member)
		switch {
		case problem != "":
			return "", problem
		case given && !isAccount(account):
			return "", member + " is not the number of an account"
		case given && strings.HasPrefix(value, "arn:"):
			return "", "the resource's account is named twice, in its ARN and in " + member
		case given:
			return q.arn(service, account, kind+value), ""
		}
		return named(service, kind)(q, value)
	}
}

// isAccount: 123456789012.
func isAccount(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func dynamoTable(q *input, value string) (arn, problem string) {
	return named("dynamodb", "table/")(q, value)
}

func repository(q *input, value string) (arn, problem string) {
	return owned("ecr", "repository/", "registryId")(q, value)
}

func logGroup(q *input, value string) (arn, problem string) {
	return named("logs", "log-group:")(q, value)
}

// parameterARN is the ARN of a parameter, in which the slash that a name may begin with is not
// doubled. A version or a label is left out: it belongs to the same parameter.
func parameterARN(q *input, value string) (arn, problem string) {
	if !strings.HasPrefix(value, "arn:") {
		value, _, _ = strings.Cut(value, ":")
		return q.arn("ssm", "", "parameter/"+strings.TrimPrefix(value, "/")), ""
	}
	if parts, ok := cutARN(value); ok {
		parts[5], _, _ = strings.Cut(parts[5], ":")
		value = strings.Join(parts[:], ":")
	}
	return arnOnly(q, value)
}

// belowPath is a listing of the parameters in a folder.
func belowPath(q *input, value string) (arn, problem string) {
	if !strings.HasPrefix(value, "/") || strings.ContainsAny(value, ":*?") {
		return "", "the path of the parameters is not of the form /a/b"
	}
	if value = strings.Trim(value, "/"); value != "" {
		value += "/"
	}
	return q.arn("ssm", "", "parameter/"+value+"*"), ""
}

func kmsKey(q *input, value string) (arn, problem string) {
	if strings.HasPrefix(value, "alias/") {
		return q.arn("kms", "", value), ""
	}
	return named("kms", "key/")(q, value)
}

// function reads "name", "name:qualifier", "123456789012:function:name" and ARNs.
func function(q *input, value string) (arn, problem string) {
	if strings.HasPrefix(value, "arn:") {
		return arnOnly(q, value)
	}
	if account, rest, ok := strings.Cut(value, ":function:"); ok {
		if !isAccount(account) {
			return "", "the function's name holds an account that is none"
		}
		return q.arn("lambda", account, "function:"+rest), ""
	}
	if name, _, _ := strings.Cut(value, ":"); strings.Count(value, ":") > 1 || name == "function" || len(name) == 12 && isAccount(name) && name != value {
		return "", "the function is named by a part of its ARN; write its name, or the whole ARN"
	}
	arn = q.arn("lambda", "", "function:"+value)
	switch qualifier, count := q.parameter("Qualifier"); {
	case count > 1:
		return "", "Qualifier is there more than once"
	case qualifier != "" && !strings.Contains(value, ":"):
		arn += ":" + qualifier
	}
	return arn, ""
}

// model reads the id of a foundation model, or the ARN of something that stands for
// one; an inference profile is one by its region's prefix.
func model(q *input, value string) (arn, problem string) {
	if strings.HasPrefix(value, "arn:") {
		return arnOnly(q, value)
	}
	prefix, _, _ := strings.Cut(value, ".")
	if slices.Contains([]string{"us", "eu", "apac", "au", "jp", "ca", "us-gov", "global"}, prefix) {
		return q.arn("bedrock", "", "inference-profile/"+value), ""
	}
	return q.arn("bedrock", "", "foundation-model/"+value), ""
}

// publish goes to a topic, to an endpoint, or to a telephone.
func publish(q *input, call Call) []Call {
	_, telephone, _ := q.optional("PhoneNumber")
	values, problem := q.given("TopicArn", "TargetArn")
	if problem == "" && (telephone || len(values) != 1) {
		problem = "the message goes to a telephone number, or to more than one target"
	}
	if problem != "" {
		call.Unknown = problem
		return []Call{call}
	}
	return []Call{q.with(call, values[0], arnOnly)}
}

// queried is a table, or an index of it.
func queried(q *input, call Call) []Call {
	calls := member("TableName", dynamoTable)(q, call)
	index, given, problem := q.optional("IndexName")
	switch {
	case calls[0].Unknown != "":
	case problem != "":
		calls[0].Resource, calls[0].Unknown = "", problem
	case given:
		return []Call{q.with(calls[0], calls[0].Resource+"/index/"+index, arnOnly)}
	}
	return calls
}

// queue reads a queue's URL: https://HOST/ACCOUNT/NAME.
func queue(q *input, call Call) []Call {
	value, problem := q.text("QueueUrl")
	switch {
	case q.Path != "/" && problem == absent:
		value, problem = "https://queue"+q.Path, ""
	case q.Path != "/":
		call.Unknown = "the queue is named twice, in the path and in QueueUrl"
		return []Call{call}
	}
	if account, name, ok := splitQueueURL(value); problem == "" && ok {
		return []Call{q.with(call, q.arn("sqs", account, name), arnOnly)}
	}
	call.Unknown = "the queue is not named by a URL of the form https://HOST/ACCOUNT/NAME"
	return []Call{call}
}

// splitQueueURL takes only the parts that a queue's URL has. It refuses fragments, escapes and
// users, which readers of URLs treat differently.
func splitQueueURL(value string) (account, name string, ok bool) {
	scheme, rest, _ := strings.Cut(value, "://")
	host, path, _ := strings.Cut(rest, "/")
	account, name, _ = strings.Cut(path, "/")
	plain := func(s string, more string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return oddInName(r) && !strings.ContainsRune(more, r) })
	}
	ok = (scheme == "https" || scheme == "http") && plain(host, ":[]") && plain(account, "") && plain(name, "") && strings.Trim(name, ".") != ""
	return account, name, ok
}

// logQuery names its groups in one of four ways.
func logQuery(q *input, call Call) []Call {
	values, problem := q.given("logGroupName", "logGroupIdentifier")
	for _, name := range []string{"logGroupNames", "logGroupIdentifiers"} {
		more, bad := q.texts(name)
		if bad != "" && bad != absent && problem == "" {
			problem = bad
		}
		values = append(values, more...)
	}
	return q.each(call, values, problem, logGroup)
}
