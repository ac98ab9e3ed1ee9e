"""The server of a language model: OpenAI's chat completions, streamed or as a whole."""
