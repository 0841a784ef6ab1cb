"""Words of T2I-CompBench's prompts by part of speech: what `words.py` knows. Other words are nouns to it."""


def _of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Closed classes, named as spaCy names them.
_CLOSED = {
    "DET": _of("""
    a all an another any both each every no some that the these this those
    """),
    "PRON": _of("""
    he her him his it its she someone something their them there they what which who
    """),
    "ADP": _of("""
    about above across after against along alongside amid amidst among around at atop before behind
    below beneath beside between by down during for from in inside into like near of off on onto out
    outside over past through throughout to toward towards under underneath up upon with within without
    """),
    "CCONJ": _of("""
    and but nor or
    """),
    "SCONJ": _of("""
    as because if until when where while
    """),
    "AUX": _of("""
    am are be been being can could did do does had has have is may might must was were will would
    """),
    "ADV": _of("""
    also apart away forward just nearby next not so together too very
    """),
    "NUM": _of("""
    eight five four nine one seven six ten three two
    """),
}
CLOSED: dict[str, str] = {word: kind for kind, words in _CLOSED.items() for word in words}

# Verbs in other forms than -ed and -ing, as they stand in the benchmark.
VERBS = _of("""
    absorbs adds allows ate blends blew blows bounces breaks brings brought burns came carries catches
    clashes cleaned cleans clung come comes complement complements contrasts creates crushes cut cuts
    drank drapes drew drinks drips drove eat eats feels fell fills flew flies floats flutters gave gets
    give gives glides glistens go goes got grew grows hangs held helps hid hidden hits hold holds hung
    illuminates invites keeps kept lay leads led left lie lies lit made make makes matches melts met
    passes pours presses protects provides put puts ran rang reflect reflects rests rings rises rolls
    runs rustles sang sank sat scratches sees sent shatters shines shone shook sings sit sits sleeps
    slept slides soaks sparkles spun stood stretches supports surrounds swam sways swept swims swung
    take takes took touches wear wears went wore
""")

# Verbs after a noun ("the sun rose"), else nouns.
NOUN_VERBS = _of("""
    cast contrasts covers crosses drives felt hit rests rose saw spread stands towers
""")

# Verbs after a plural ("the clouds float"), else nouns.
PLURAL_VERBS = _of("""
    clash clink fill float grow hang hold pass pour provide rest shine sit stand
""")

# Adjectives that no ending gives away, as they stand in the benchmark.
ADJECTIVES = _of("""
    achy aged airy ancient antique arid barren beautiful beige big billowing bitter black bland blank
    blazing blue bold bright brilliant brittle brown bulky bumpy bushy busy calm carved checkered choppy
    chunky circular clean clear cloudy cold colorful comfortable conical cool cozy crashing creamy
    crimson crisp crispy crumpled crunchy cubic curly curved curvy cylindrical damp dark decadent deep
    delicate dense diamond different dim dirty distant dreamy dry dusty early earthy elaborate elegant
    embroidered empty fabric few fiery flat fleshy flexible floating floral flowing fluffy foggy folded
    fragile fragrant fresh frosty frozen full furry fuzzy gentle glass glossy glowing gold golden grand
    grassy gray greasy great green grey hairy hard harsh heavy hexagonal hollow hot hungry ice-cold icy
    intricate iridescent jagged juicy knitted large late leafy leather light little long loud lovely
    lumpy lush magnificent majestic many maroon matte metallic misty modern modernist moonlit morning
    mossy muddy murky narrow natural navy neat new northern oblong octagonal oily old opaque open orange
    ornate other oval painted pale pentagonal perfect pink plain plastic plump plush pointed polished
    polka-dotted pretty puffy purple pyramidal quiet quilted rare rectangular red rich rigid ripe
    rocking rocky rosy rough round rubber rugged rustic rusty salty same sandy savory scaly seasonal
    sensory serene several shaggy sharp sheer shimmering shiny short silky silver simple sleek sleepy
    slim slimy slippery slushy small smooth snowy soft solid sore sour sparkling special spherical spicy
    spiky spotted spotty square squishy staccato stained starry sticky stiff stormy straight striped
    strong sturdy subtle sugary sunlit sweet tall tan teal teardrop tech-savvy tender thick thin thirsty
    thorny tiled tiny torn tough towering traditional tranquil transcendent translucent transparent
    triangular turquoise twisted unique urban vast velvety verdant vibrant vintage violet visual warm
    wavy weak wet white wide wooden woolen woolly worn woven wrinkled yellow young zingy
""")

ENDINGS = ("ous", "ful", "less", "ish", "able", "ible", "ic", "ical", "ive", "ular")  # of adjectives

# Nouns that end as verbs and adverbs do.
NOUNS = _of("""
    awning bed belly bread building butterfly ceiling clothing crossing dressing duckling earring
    evening family feed fly frosting icing jelly king lightning lily morning painting pudding railing
    ring sapling seed shed sibling sled speed spring steed string stuffing swing thread wedding weed
    wing
""")

# Words of place that spaCy makes a noun phrase of and nobody can be asked about.
PLACES = _of("top bottom side left right front back")
OWNING = _of("its his her their")
