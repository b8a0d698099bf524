package sigv4_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

// TestHostsOfEveryServiceAgree: the endpoint of every service, as AWS's own rules
// resolve it, agrees with the name and the region that its requests are signed for,
// and with no other.
func TestHostsOfEveryServiceAgree(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("testdata/endpoints.txt")
	require.NoError(t, err)
	count := 0
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if fields[0] == "#" {
			continue
		}
		count++
		host, service, region := fields[0], fields[1], fields[2]
		require.NoError(t, sigv4.AWS(host, service, region), line)
		require.Error(t, sigv4.AWS(host, "another", region), line)
		if host != "s3.amazonaws.com" { // serves buckets of every region
			require.Error(t, sigv4.AWS(host, service, "ap-nowhere-9"), line)
		}
		require.Error(t, sigv4.AWS(host+".evil.com", service, region), line)
	}
	assert.Greater(t, count, 400)
}

func TestHostForms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ host, service, region string }{
		{"bucket.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"my.dotted.us-east-1.bucket.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"bucket.s3.dualstack.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"bucket.s3-fips.dualstack.us-east-1.amazonaws.com", "s3", "us-east-1"},
		{"s3-eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"bucket.s3-us-west-2.amazonaws.com", "s3", "us-west-2"},
		{"s3-external-1.amazonaws.com", "s3", "us-east-1"},
		{"s3.amazonaws.com", "s3", "us-east-1"},
		{"bucket.s3.amazonaws.com", "s3", "ap-south-2"},
		{"bucket.s3-accelerate.amazonaws.com", "s3", "eu-central-1"},
		{"bucket.s3-accelerate.dualstack.amazonaws.com", "s3", "eu-central-1"},
		{"ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"ol-123456789012.s3-object-lambda.eu-west-1.amazonaws.com", "s3-object-lambda", "eu-west-1"},
		{"ap-123456789012.op-1.s3-outposts.eu-west-1.amazonaws.com", "s3-outposts", "eu-west-1"},
		{"123456789012.s3-control.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"bucket.vpce-1a2b-3c.s3.eu-west-1.vpce.amazonaws.com", "s3", "eu-west-1"},
		{"vpce-1a2b-3c-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com", "sqs", "eu-west-1"},
		{"bucket.s3.cn-north-1.amazonaws.com.cn", "s3", "cn-north-1"},
		{"sts.amazonaws.com", "sts", "us-east-1"},
		{"sts.us-gov-west-1.amazonaws.com", "sts", "us-gov-west-1"},
		{"iam.cn-north-1.amazonaws.com.cn", "iam", "cn-north-1"},
		{"search-domain-abc.eu-west-1.es.amazonaws.com", "es", "eu-west-1"},
		{"abc.eu-west-1.aoss.amazonaws.com", "aoss", "eu-west-1"},
		{"eu-west-1.queue.amazonaws.com", "sqs", "eu-west-1"},
		{"abc123.execute-api.eu-west-1.amazonaws.com", "execute-api", "eu-west-1"},
		{"abc.lambda-url.eu-west-1.on.aws", "lambda", "eu-west-1"},
		{"abc.appsync-api.eu-west-1.amazonaws.com", "appsync", "eu-west-1"},
		{"123456789012.ddb.eu-west-1.amazonaws.com", "dynamodb", "eu-west-1"},
		{"abc-ats.iot.eu-west-1.amazonaws.com", "iotdata", "eu-west-1"},
		{"iot.eu-west-1.amazonaws.com", "iot", "eu-west-1"},
		{"rds.eu-west-1.amazonaws.com", "rds", "eu-west-1"},
		{"bedrock-runtime.eusc-de-east-1.amazonaws.eu", "bedrock", "eusc-de-east-1"},
		{"dynamodb.us-iso-east-1.c2s.ic.gov", "dynamodb", "us-iso-east-1"},
	} {
		assert.NoError(t, sigv4.AWS(test.host, test.service, test.region), test.host)
	}
	for _, test := range []struct{ host, service, region string }{
		{"bucket.s3.amazonaws.com", "s3", "cn-north-1"},
		{"s3-nowhere.amazonaws.com", "s3", "eu-west-1"},
		{"amazonaws.com", "s3", "us-east-1"},
		{".amazonaws.com", "s3", "us-east-1"},
		{"eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"vpce.amazonaws.com", "sqs", "eu-west-1"},
		{"sqs.eu-west-1.vpce.amazonaws.com", "sqs", "eu-west-1"},
		{"bucket.s3-website.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"global.api.aws", "iam", "us-east-1"},
		{"dualstack.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"fips.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
		{"db.cluster-x.eu-west-1.rds.amazonaws.com", "ec2", "eu-west-1"},
		{"169.254.169.254", "s3", "eu-west-1"},
		{"", "s3", "eu-west-1"},
	} {
		requireRefusal(t, sigv4.HostMismatch, sigv4.AWS(test.host, test.service, test.region))
	}
}

// TestNames: the name says the bucket exactly, whatever it is called.
func TestNames(t *testing.T) {
	t.Parallel()
	for host, name := range map[string]string{
		"bucket.s3.eu-west-1.amazonaws.com":                           "bucket.s3",
		"my.dotted.us-east-1.bucket.s3.eu-west-1.amazonaws.com":       "my.dotted.us-east-1.bucket.s3",
		"us-east-1.s3.amazonaws.com":                                  "us-east-1.s3",
		"fips.s3.eu-west-1.amazonaws.com":                             "fips.s3",
		"data-fips.s3-fips.dualstack.us-east-1.amazonaws.com":         "data-fips.s3",
		"dualstack.s3.dualstack.us-east-1.amazonaws.com":              "dualstack.s3",
		"s3.dualstack.eu-west-1.amazonaws.com":                        "s3",
		"b.s3-us-west-2.amazonaws.com":                                "b.s3",
		"s3-external-1.amazonaws.com":                                 "s3",
		"b.s3-accelerate.dualstack.amazonaws.com":                     "b.s3-accelerate",
		"ap-123456789012.s3-accesspoint-fips.us-east-1.amazonaws.com": "ap-123456789012.s3-accesspoint",
		"123456789012.s3-control.eu-west-1.amazonaws.com":             "123456789012.s3-control",
		"bucket.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com":           "s3",
		"b.bucket.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com":         "b.s3",
		"ap-1.accesspoint.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com": "ap-1.s3-accesspoint",
		"123.control.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com":      "123.s3-control",
		"vpce-1a-2b-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com":      "sqs",
		"api.ecr-fips.us-east-1.amazonaws.com":                        "api.ecr",
		"fips.api.ecr.us-east-1.api.aws":                              "api.ecr",
		"iam.amazonaws.com":                                           "iam",
		"search-domain-abc.eu-west-1.es.amazonaws.com":                "search-domain-abc.es",
	} {
		endpoint, ok := sigv4.Locate(host)
		require.True(t, ok, host)
		assert.Equal(t, name, endpoint.Name, host)
	}
	_, ok := sigv4.Locate("other.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com")
	assert.False(t, ok)
}
