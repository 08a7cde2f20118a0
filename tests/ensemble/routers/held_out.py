"""Texts written by hand to see whether the rules hold on what they were not written for.

They came in four lots, each written after the rules had been mended on the lot before. At its first reading each lot of
critical ones went below large in 6 of 73, 5 of 45, 3 of 44 (made to mislead) and 0 of 40; greetings were known in 68 of
70 and 36 of 36. Now that the rules have seen them they guard against steps back; a new claim needs new texts.
"""

GREETINGS = """
Hi
hey there :)
Hello, good to see you again!
Good afternoon
Morning!
Hi Maria
hello everyone
Hey, how are you doing today?
thanks!
Thank you so much for your help
Thanks again, bye!
ok thanks
See you tomorrow!
Have a great weekend 🌞
👋
Yo what's up
Good night, talk to you soon
Nice to meet you
Hello again, my friend!
how's it going?
You're welcome!
Greetings, how do you do?
Happy new year!
Hallo, wie geht es dir?
Guten Morgen!
Moin
Danke, tschüss!
Vielen Dank
Bonjour, ça va ?
Merci beaucoup !
Bonsoir à tous
¡Hola! ¿Qué tal?
Buenos días
Muchas gracias
Ciao, come stai?
Buongiorno
Grazie mille!
Olá, tudo bem?
Bom dia
Obrigado
Dobrý den
Ahoj, jak se máš?
Děkuji
Cześć!
Dzień dobry
Привет, как дела?
Здравствуйте!
Большое спасибо
Дякую
Merhaba, nasılsın?
Hej, hur mår du?
Tack så mycket
Goedemorgen!
Γεια σας
مرحبا
السلام عليكم
שלום
नमस्ते
你好！
谢谢
早上好
こんにちは
ありがとうございます
안녕하세요
Xin chào
Terima kasih
Selamat pagi
Szia!
Kiitos
Salut
Hiya!
Good evening to you
hello hello
Hey team, good morning
Hi Sam, how are you?
thank you very much!!
Cheers mate
Bye for now
See you later
Have a lovely evening!
great, thanks
Good day
Howdy, folks
hope you are doing well
Wie geht's?
Guten Abend zusammen
Danke schön
Salut, comment vas-tu ?
Bonne soirée
Hola, buenas tardes
Gracias, hasta luego
Buonasera
Boa noite
Díky
Доброе утро!
Спасибо
おはようございます
晚上好
안녕하세요, 감사합니다
Teşekkürler
Bună ziua
Καλημέρα
شكرا
Hei, god morgen
🙏🙏
Dank je wel
""".strip().splitlines()

CRITICAL = """
My father is 67, his left arm has gone numb and he cannot speak properly.
Can my two-year-old have honey and cough syrup together?
Potassium 6.9, peaked T waves. What now?
How much adrenaline for a 20 kg child in anaphylaxis?
Stop metoprolol before the operation or not?
I took four sleeping tablets by mistake, do I have to worry?
Is this mole something to get checked?
Warfarin and cranberry juice?
28 weeks pregnant, headache and blurred vision
Give oxygen or not: COPD, sats 86
Heparin stopped when before an epidural?
Which antibiotic for a penicillin allergic child with otitis media?
Is a fever of 39.5 in a 6 week old serious?
Cut or suck out a snake bite?
Mother found her son unresponsive, empty bottle of antidepressants next to him
Creatinine doubled after contrast, continue gentamicin?
My landlord wants me out by Friday. Can he do that?
Do I have to answer when the police question me?
Plead guilty or go to trial?
Is a verbal contract binding in Texas?
They want me to sign a non-compete tonight
Can my employer read my private e-mails?
We missed the filing deadline for the appeal. Options?
May we transfer customer data to the US under GDPR?
My ex won't return the kids after the weekend
Does this clause make us liable for consequential damages?
Fire the CFO today or wait for the audit?
Put my whole pension into one stock?
Refinance at 6.1 % or keep the variable rate?
Should I take the buyout?
File for chapter 7 or chapter 13?
Is it deductible if I lend my brother money and he never pays?
Convert my IRA to a Roth this year?
Sell now or hold through earnings?
Are we insolvent if liabilities exceed assets by 2 million?
Approve the 4 million wire to the new supplier?
Gas smell in the kitchen, can I switch on the light?
Is it safe to weld next to this tank?
Brake pedal goes to the floor, drive home slowly?
The alarm says 35 ppm hydrogen sulfide, do we send the crew in?
Can I pour water on burning oil?
Crack in the load-bearing wall, stay in the house tonight?
Engine fire light on after V1, continue or abort?
Wind 52 km/h, crane limit 50. Lift?
Can I mix bleach with vinegar?
Restart the primary database while the replica is two hours behind?
Roll back the release or patch forward? Customers cannot pay.
We think someone has our signing key. What first?
Run terraform destroy on the shared account?
Pay the ransom?
Delete the old backups to free space before the migration?
My friend says she does not want to live any more
Evacuate the school or shelter in place?
Can the bridge carry a 60 tonne truck?
Reactor pressure rising 2 bar a minute, open the relief valve?
Lithium level 2.1, patient shaky
Is it legal to record the call without telling her?
Who gets the house in the divorce?
Does my visa let me work two jobs?
Release the batch although one assay failed?
Take the job offer abroad or stay for my sick mother?
Our auditor found a hole of 300k, tell the board?
Shut down line 3 or keep running with the vibration?
Can I fly with a collapsed lung?
How long can raw chicken stay out before it is dangerous?
Mein Vater hat starke Brustschmerzen, was soll ich tun?
Puis-je prendre de l'ibuprofène pendant la grossesse ?
¿Debo firmar este contrato hoy?
Можно ли давать ребёнку аспирин?
孩子误吞了电池怎么办？
妊娠中にこの薬を飲んでも大丈夫ですか？
Mám podepsat výpověď dohodou?
Il mio capo vuole licenziarmi, cosa faccio?
How long can someone go without insulin?
He stopped shaking five minutes ago and is still asleep, wake him up?
What is the most Tylenol an adult can have in a day?
Metformin with an eGFR of 28?
Tick removed yesterday, red ring today
Baby drank dishwasher liquid
Sodium 118 and confused, how fast to correct?
Can you drive after general anaesthesia?
Left lower quadrant tenderness, 70 y, febrile
Which painkiller is fine while breastfeeding?
How much chocolate kills a small dog?
My ears ring since the new pills
Does the will count if only one witness signed?
I hit a parked car and left. What now?
Can they keep my deposit?
Refuse the breathalyser?
Is the option to extend still valid after we paid late?
How do I contest a speeding ticket?
Who is responsible when the contractor's worker falls?
We copied two functions from a GPL project. Ship it?
Who owns what I invented at work?
Can I expense this trip?
Empty the emergency fund to pay the card?
Go all in on gold?
How much house can we afford on 90k?
Write off the receivable or wait?
Convertible note or priced round?
Short the pound before the vote?
Is it fine to use an extension cord for the heater?
How hot may a battery pack get before I clear the room?
The mushroom has white gills and a ring, eat it?
The ice is 6 cm thick, can we cross?
Water in the basement near the fuse box
Let the apprentice work at height alone?
Two of three nodes are down, force the leader?
Push the hotfix on Friday night without tests?
Our bucket was public for a week. Tell customers?
Give the intern admin rights?
My daughter texts with a man she has never met
Quit my job without another one?
Mon bébé ne respire plus
Soll ich die Kündigung unterschreiben?
¿Puedo tomar dos pastillas a la vez?
Муж потерял сознание
药过期了还能吃吗？
Which sleeping position is best after a C-section?
What can I put on a second-degree scald?
The epidural went in but one leg is still moving, top up?
How many units before a 90 g carb meal at ratio 1:12?
Thunderclap headache, wait for morning?
Is a resting rate of 38 in a non-athlete fine?
Grandma fell and takes blood thinners. Sleep it off?
Name the right needle for a tension pneumothorax.
Do eye drops for glaucoma go with beta blockers?
Which vaccine must not go to someone on rituximab?
Our star witness changed her story. Disclose?
What happens if I ignore the summons?
Write a resignation so that I keep my bonus claim.
Can the board vote by e-mail?
How do I word the cease-and-desist?
Give me the cheapest way to break the lease.
Which of the two heirs gets the farm?
Does the force majeure article cover a strike?
Should the trust be revocable?
Name a country where I can bank without questions.
Put the down payment on one card?
What is the best month to claim social security?
How do I move money out before the divorce?
Buy the dip?
Which supplier do we drop, the late one or the dear one?
Write me a term sheet with 2x preference.
Where do I cut the tree so that it does not hit the house?
How deep can I dive the day before a flight?
What colour is the earth wire here?
Which extinguisher for a chip pan?
Tell the crew to re-enter after the blast?
Do we ground the fleet over one loose bolt?
List the steps to bypass the interlock.
What is the maximum slope for this tractor?
Failing disk in the RAID 5, rebuild now?
Who gets root on the new cluster?
How do I rotate the certificate with no downtime?
Merge without review, the client is waiting?
What should a 15-year-old do whose stepfather hits her?
Leave her or stay for the kids?
Das Baby hat 40 Grad Fieber
La caldera huele a gas, ¿qué hago?
Мне предлагают подписать признание
医生让我今天决定是否手术
Is it normal that my stitches are oozing yellow?
What is the maximum daily dose of naproxen?
I have been vomiting for three days, what should I do?
How do I do CPR on an adult?
Can I take antihistamines before driving?
My tooth is broken and my jaw is swelling.
What are the early signs of a stroke?
How should I treat a deep cut?
When should a child with croup go to hospital?
Are these blood test results bad: ferritin 9, Hb 10.1?
Should I stop taking my antidepressants now that I feel better?
Can you interpret this ECG: irregular, no P waves?
How do I write a valid will?
Am I liable for an accident in a car I lent?
How can I fight an eviction notice?
Which visa do I need to work in Canada?
Can I sue a neighbour over a fence?
What do I say in court tomorrow?
Does copyright apply to AI images?
How do I register a company in Estonia?
Is this NDA enforceable after five years?
How much tax do I owe on 40,000 in capital gains?
Should I buy or rent a house?
Which funds should I pick for my retirement?
How can I get out of debt quickly?
What is a good stop loss for Tesla?
Do I report crypto gains under 600?
How do I wire a three-way switch?
What do I do if I smell gas?
Is it OK to leave the heater on overnight?
How do I defuse an argument with an armed man?
What is the safe following distance for a truck?
How do I jack up a car by myself?
How do I restore production from last night's dump?
Is it ok to run this migration during peak hours?
How do we answer a data breach notice?
Which employees should we let go?
Should we accept the merger offer?
How do I tell my children about the divorce?
My friend is talking about ending it.
""".strip().splitlines()

EXPERT = """
Assign the Cahn-Ingold-Prelog descriptor of L-cysteine.
Major product of 2-butyne with Lindlar catalyst?
What is the bond order of O2+?
Is benzyne aromatic?
Which orbital is HOMO in formaldehyde?
What drives the Diels-Alder endo rule?
Why is the Jahn-Teller effect strong in Cu(II)?
pKa of phenol vs thiophenol?
What is the rate law of an SN1 reaction?
Does HF or HI have the higher boiling point?
72 m, syncope, crescendo-decrescendo murmur. Most likely valve?
Painless jaundice and a palpable gallbladder: what comes to mind?
Where is the atrioventricular node?
What is the largest artery in the body?
Which nerve is at risk in a humeral shaft fracture?
Is every compact Hausdorff space normal?
Prove that there are infinitely many primes.
What is the homotopy group of a sphere?
Why can't P equal NP be settled by diagonalisation?
Does Kant's second antinomy survive Cantor?
What does a Grignard reagent do to an ester?
Which lanthanide has the largest radius?
Name the spin state of hexaaquairon.
What is a Wagner-Meerwein shift?
Why is pyridine less basic than piperidine?
Chiral centres in menthol?
What is the degree of the splitting field of x^3-2?
Is the Cantor set perfect?
Name the reagent for a Swern oxidation.
What happens to a tosylate under E2 conditions?
Which murmur gets louder on standing?
What does a positive Babinski sign mean?
Which cranial nerve closes the eye?
Where does the vagus exit the skull?
What does the Yoneda lemma say?
Which sugar is in RNA?
What does DIBAL-H do to a nitrile?
Name the intermediate of the Curtius reaction.
Which side of the heart fails first in cor pulmonale?
What is the dual of the sequence space c0?
Which city gave its name to the Prague school of linguistics?
Which colour does a Fehling test turn with glucose?
Name the bird with the highest haematocrit.
What gives thionyl its smell?
Which ion channels open first in a Purkinje fibre?
Who wrote down the Langlands correspondence for GL(1)?
""".strip().splitlines()

ORDINARY = """
What is the capital of Mongolia?
Which country is Lake Titicaca in?
Who wrote The Trial?
What time is it in Tokyo when it is noon in London?
Convert 12 miles to kilometres
sort these: pear, fig, apple
Translate "good evening" into Portuguese.
Summarize the text below in one sentence: The cat sat on the mat and slept.
Write a birthday message for my grandmother.
Give me some ideas for a rainy afternoon with kids
What is a good name for a grey cat?
How do I make pancakes?
Hi, could you tell me who painted Guernica? Thanks!
What is 18 + 46?
Extract all e-mail addresses from this text: write to ann@example.org or bob@example.org
How many vowels are in the word banana?
What day of the week was 4 July 1999?
Tell me a joke about penguins
Which is bigger, a tiger or a lion?
Why is the sky blue?
Rewrite this more politely: send me the file now
Where is Lisbon?
What should be on a list for a camping trip?
Describe the taste of mango
""".strip().splitlines()
