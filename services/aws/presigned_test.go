package aws_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/credentials"
	"sallyport/services/aws"
)

func TestPresignedByPlaceholdersIsNotPassedOn(t *testing.T) {
	t.Parallel()
	unsign := aws.New().Unsign
	const agent = "0d9a3c1e-7a55-4c39-9f0e-0f8f5f2f3b11"
	presigned := func(id string) string {
		return "response-content-type=text&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + id + "%2F20261126%2Feu-west-1%2Fs3%2Faws4_request" +
			"&X-Amz-Date=20261126T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Security-Token=t&x=1"
	}
	for _, id := range []string{credentials.Placeholder, credentials.PlaceholderOf(agent)} {
		assert.Equal(t, "response-content-type=text&x=1", unsign(presigned(id), agent))
	}
	others := presigned("AKIASOMEBODYS")
	assert.Equal(t, others, unsign(others, agent), "a link that somebody else has signed stays")
	assert.Equal(t, "a=%zz&X-Amz-Credential=%zz", unsign("a=%zz&X-Amz-Credential=%zz", agent))
}
