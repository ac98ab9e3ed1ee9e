"""Opening prompts of conversations, for a chat server without a prompt bank of its own."""

from __future__ import annotations

DEFAULT_PROMPTS = (
    "Explain in two sentences how a bicycle stays upright.",
    "What should I cook tonight with rice, eggs and spinach?",
    "Write a short note that thanks a neighbour for watering the plants.",
    "Why is the sky blue in the day and red in the evening?",
    "How do I find out which process listens on a port?",
    "Summarise what a load test is for, for someone who has never run one.",
    "Give me three names for a small bakery near the harbour.",
    "What is the difference between latency and throughput?",
    "My train is late and I will miss the meeting. Draft a message to my team.",
    "How many legs do seven spiders and four ants have together? Show the steps.",
    "Describe the taste of a ripe pear without using the word sweet.",
    "Which questions should I ask before I rent a flat?",
    "Turn this into a haiku: the server waits, the queue grows, the users leave.",
    "What does a heat pump do, and when is it a good idea?",
    "Suggest a plan for learning the guitar in ten minutes a day.",
    "Is it better to sort a list before searching it? When, and why?",
    "Tell me about the history of the compass in a few sentences.",
    "How do bees find their way back to the hive?",
    "Write a function that counts the vowels in a text, in any language you like.",
    "What would you pack for a week of walking in the mountains in autumn?",
    "Explain compound interest with an example that uses small numbers.",
    "Why do we see the same side of the moon all the time?",
    "Make a list of five polite ways to say no to a meeting.",
    "What happens in a computer between pressing a key and seeing the letter?",
)
