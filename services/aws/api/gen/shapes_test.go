package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keys is a service whose operations hold what a credential may be, and what only looks like it.
const keys = `{"metadata":{"endpointPrefix":"keys","protocol":"json","signingName":"keys"},"operations":{
	"MakeKey":{"name":"MakeKey","http":{"method":"POST","requestUri":"/"},"input":{"shape":"Page"},"output":{"shape":"Made"}},
	"ListKeys":{"name":"ListKeys","http":{"method":"POST","requestUri":"/"},"input":{"shape":"Page"},"output":{"shape":"Listed"}},
	"Allow":{"name":"Allow","http":{"method":"POST","requestUri":"/"},"input":{"shape":"Grant"}},
	"Start":{"name":"Start","http":{"method":"POST","requestUri":"/"},"input":{"shape":"Run"},"output":{"shape":"Running"}}},
	"shapes":{"S":{"type":"string"},"Hidden":{"type":"string","sensitive":true},"Map":{"type":"map","value":{"shape":"S"}},
	"Page":{"type":"structure","members":{"NextToken":{"shape":"S"},"ClientToken":{"shape":"S"}}},
	"Made":{"type":"structure","members":{"Keys":{"shape":"Keys"}}},
	"Keys":{"type":"list","member":{"shape":"Key"}},
	"Key":{"type":"structure","members":{"SecretAccessKey":{"shape":"S"},"SecretArn":{"shape":"S"},"Again":{"shape":"Key"}}},
	"Listed":{"type":"structure","members":{"NextToken":{"shape":"S"},"SecretArn":{"shape":"S"},"CookieJar":{"shape":"S"},"UnlockCode":{"shape":"Hidden"},"Nickname":{"shape":"Hidden"}}},
	"Grant":{"type":"structure","members":{"Policy":{"shape":"S"},"Principal":{"shape":"S"}}},
	"Run":{"type":"structure","members":{"RoleArn":{"shape":"S"}}},
	"Running":{"type":"structure","members":{"Environment":{"shape":"Map"}}}}}`

func TestShapesAreJudged(t *testing.T) {
	t.Parallel()
	botocore, iam, data := written(t, map[string]string{
		"botocore/data/keys/2020-01-01/service-2.json.gz":           keys,
		"botocore/data/keys/2020-01-01/endpoint-rule-set-1.json.gz": `{"rules":[]}`,
		"data/reviewed.txt": "# what is none\nkeys/List*  */secret/Cookie*  # biscuits\nkeys/*  answers/sensitive/UnlockCode # of a door\n*/*  asks/role/* # a role\n",
		"data/secrets.txt":  "things/Get*art # half of it\nkeys/*rt  # runs\n",
	})
	made, err := build(sources{botocore: botocore, iam: iam, data: data})
	require.NoError(t, err)
	for _, line := range []string{"\nMakeKey\t-\t\tc\n", "\nListKeys\t-\n", "\nAllow\t-\t\tc\n", "\nStart\t-\t\tc\n"} {
		assert.Contains(t, string(made.table), line)
	}
	for _, line := range []string{
		"# Of 7 operations 5 hold something",
		"\nkeys/Allow\tasks/policy/Policy, asks/principal/Principal\n",
		"\nkeys/MakeKey\tanswers/secret/SecretAccessKey\n",
		"\nkeys/Start\truns, answers/environment/Environment\n",
		"\nthings/GetPart\thalf of it\n",
		"\n# biscuits; of a door\nkeys/\tListKeys\n",
	} {
		assert.Contains(t, string(made.review), line)
	}
}

func TestReviewStops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"an excuse for nothing":   {"data/reviewed.txt", "things/* asks/secret/Password # none\n", "things/* asks/secret/Password explains nothing"},
		"without a reason":        {"data/reviewed.txt", "things/* asks/secret/Password\n", "is not OPERATION SIDE/KIND/MEMBER # REASON"},
		"without a kind":          {"data/reviewed.txt", "things/* asks/Password # none\n", "is not OPERATION SIDE/KIND/MEMBER # REASON"},
		"an operation that isn't": {"data/secrets.txt", "things/Make\n", "secrets.txt: things/Make names no operation"},
		"a star that reads":       {"data/secrets.txt", "things/*etThing\n", "secrets.txt: things/*etThing names no operation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			botocore, iam, data := written(t, map[string]string{c.file: c.text})
			_, err := build(sources{botocore: botocore, iam: iam, data: data})
			require.ErrorContains(t, err, c.want)
		})
	}
}
