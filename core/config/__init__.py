"""YAML files to typed, validated experiments; workspaces. Free of torch."""
