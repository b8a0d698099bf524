package main_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	main "sallyport/cmd/sallyport"
)

func TestWhichNodeReadsProxies(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"v8.17.0": false, "v18.19.0": false, "v20.20.2": false, "v22.20.0": false, "v22.21.0": true, "v22.100.0": true,
		"v23.11.0": false, "v24.4.1": false, "v24.5.0": true, "v24.21.0": true, "v25.0.0": true, "v100.1.0": true, "": false, "nonsense": false,
	} {
		assert.Equal(t, want, main.ReadsProxies(version), version)
	}
}
