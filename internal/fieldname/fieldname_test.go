package fieldname_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/fieldname"
)

func TestNamesAreAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	names := fieldname.Read([]byte("HTTP/1.1 200 OK\r\ncontent-type: a/b\r\nETag: x\r\nX-Usual: y\r\nx-amz-meta-Foo: 1\r\nX-AMZ-META-FOO: 2\r\n folded: no\r\nno colon\nbare: x\n\r\nbehind: x\r\n"))
	assert.Equal(t, fieldname.Names{"Content-Type": "content-type", "Etag": "ETag", "X-Amz-Meta-Foo": "x-amz-meta-Foo", "Bare": "bare"}, names)
	assert.Equal(t, "ETag", names.Of("Etag"))
	assert.Equal(t, "X-Usual", names.Of("X-Usual"))
}

func TestUsualNamesTakeNothing(t *testing.T) {
	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nX-A: 1\r\n\r\n")
	assert.Nil(t, fieldname.Read(head))
	assert.Zero(t, testing.AllocsPerRun(10, func() { fieldname.Read(head) }))
	assert.Equal(t, "X-A", fieldname.Names(nil).Of("X-A"))
}
