"""The command `mailwhy`: one parser, each subcommand in a file of its own."""
